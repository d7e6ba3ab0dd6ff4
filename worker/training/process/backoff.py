"""Exponential backoff with jitter: how long to wait before a retry."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Delays that double with each failure, from `first_s` to at most `most_s`, plus up to a third at random."""

    first_s: float = 2.0
    most_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, counted from 1."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 16)) * (1 + random.random() / 3)  # noqa: S311


PATIENT = Backoff()
