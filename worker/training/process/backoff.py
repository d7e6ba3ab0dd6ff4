"""How long to wait between tries of what may heal by itself."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Seconds between tries: doubled from `first_s` to `most_s`, with up to a third more at random."""

    first_s: float = 2.0
    most_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 16)) * (1 + random.random() / 3)  # noqa: S311


PATIENT = Backoff()
