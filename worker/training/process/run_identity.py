"""Which TrainingRun, and which attempt of it, this process works for, read from the environment variables of
docs/architecture.md, "What a worker pod gets".
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """The TrainingRun that this process works for; all fields are empty on a laptop."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    image: str = ""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "RunIdentity":
        return cls(
            namespace=environ.get("TRAINING_RUN_NAMESPACE", ""),
            name=environ.get("TRAINING_RUN_NAME", ""),
            uid=environ.get("TRAINING_RUN_UID", ""),
            image=environ.get("TRAINING_IMAGE", ""),
        )


def attempt_from_env(environ: Mapping[str, str] = os.environ) -> int:
    """Which attempt of the run this is; 1 on a laptop."""
    number = environ.get("TRAINING_ATTEMPT", "")
    return int(number) if number.isdecimal() else 1
