"""Reads the passwords of encrypted PDFs from a file (in a pod, a mounted Secret). They are never shown or logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from training.errors import ConfigError
from training.storage.files import local_errors

ALL_OTHERS = "*"


@dataclass(frozen=True)
class Passwords:
    """Passwords by document name; the password of `*` is tried for all other documents."""

    by_name: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> "Passwords":
        """Reads a YAML or JSON file of `document name: password`. Raises ConfigError, which never shows the content."""
        with local_errors(path):
            data = path.read_bytes()
        try:
            content = yaml.safe_load(data) or {}
        except (yaml.YAMLError, UnicodeError, ValueError):
            content = None
        if not isinstance(content, dict) or not all(_is_entry(name, word) for name, word in content.items()):
            raise ConfigError(
                f"--passwords {path} cannot be read; write a line `document name: password` for each, in quotes where "
                "a password could pass for a number, and `'*': password` for all others."
            )
        return cls(content)

    def of(self, name: str) -> str | None:
        """The document's password, or None."""
        return self.by_name.get(name, self.by_name.get(ALL_OTHERS))


def _is_entry(name: object, word: object) -> bool:
    return isinstance(name, str) and isinstance(word, str) and word != ""
