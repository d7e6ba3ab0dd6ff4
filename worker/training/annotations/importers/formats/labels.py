"""What the labels of another format mean here: a table, a cell, a header, or nothing. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from training.annotations.tools.tool_page import ToolPage
from training.errors import ConfigError
from training.labels.categories import CATEGORIES

NOTHING = "none"
_NUMBERS = {name.casefold(): number for number, name in CATEGORIES.items()}


@dataclass(frozen=True)
class LabelNames:
    """The category of each label, by its name in any case; None for a label that is left out."""

    categories: dict[str, int | None] = field(default_factory=lambda: dict(_NUMBERS))

    @classmethod
    def parse(cls, options: Iterable[str]) -> "LabelNames":
        """Our own names, and those of options such as `th=header`, `figure=none`. Raises ConfigError for others."""
        found: dict[str, int | None] = dict(_NUMBERS)
        for option in options:
            label, _, name = option.rpartition("=")
            category = _NUMBERS.get(name.strip().casefold())
            if not label.strip() or (category is None and name.strip() != NOTHING):
                raise ConfigError(
                    f"--label is {option!r}; write LABEL=NAME, with one of {', '.join(CATEGORIES.values())}, {NOTHING}."
                )
            found[_key(label)] = category
        return cls(found)

    def category(self, label: str) -> int | None:
        """The label's category, or None if it is left out; the label must be known."""
        return self.categories[_key(label)]

    def check(self, pages: Sequence[ToolPage]) -> None:
        """Raises ConfigError, which lists them, if there are labels that nobody said the meaning of."""
        labels = {box.label for page in pages for box in page.boxes}
        unknown = sorted(label for label in labels if _key(label) not in self.categories)
        if unknown:
            raise ConfigError(
                f"The meaning of the labels {', '.join(map(repr, unknown))} is unknown; say of each whether it is a "
                f"table, a Cell, a header or none of them, such as --label {unknown[0]!r}=Cell."
            )


def _key(label: str) -> str:
    return label.strip().casefold()
