"""The unit of the annotations' boxes, which the JSON does not name. Pure."""

import re
from dataclasses import dataclass

from training.errors import ConfigError

POINTS_PER_INCH = 72
MIN_DPI, MAX_DPI = 36, 1200


@dataclass(frozen=True)
class Coordinates:
    """`dpi` is the stated resolution of the boxes; without one the page's own box tells it, page by page."""

    dpi: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Coordinates":
        """`auto`, `points`, or a resolution such as `400dpi`. Raises ConfigError for anything else."""
        if text == "auto":
            return cls()
        if text == "points":
            return cls(POINTS_PER_INCH)
        found = re.fullmatch(r"(\d{1,6})dpi", text)
        if not found or not MIN_DPI <= int(found[1]) <= MAX_DPI:
            raise ConfigError(
                f"--coordinates is {text!r}; write auto, points, or the resolution from {MIN_DPI}dpi to {MAX_DPI}dpi."
            )
        return cls(int(found[1]))

    def __str__(self) -> str:
        if self.dpi is None:
            return "auto"
        return "points" if self.dpi == POINTS_PER_INCH else f"{self.dpi}dpi"


AUTO = Coordinates()
