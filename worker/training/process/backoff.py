"""Exponential backoff with jitter: how long to wait before a retry."""

import itertools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from training.errors import Transient

logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Delays that double with each failure, from `first_s` to at most `most_s`, plus up to a third at random."""

    first_s: float = 2.0
    most_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, counted from 1."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 16)) * (1 + random.random() / 3)  # noqa: S311


PATIENT = Backoff()


def retry_until(give_up_s: float, work: Callable[[], _Result], *, trouble: str, backoff: Backoff = PATIENT) -> _Result:
    """The result of `work`, which is repeated after each Transient error until the time `give_up_s` of the monotonic
    clock, and then raises it. Each time `trouble` is logged.
    """
    for failures in itertools.count(1):
        try:
            return work()
        except Transient as error:
            delay_s = backoff.delay_s(failures)
            if time.monotonic() + delay_s > give_up_s:
                raise
            logger.warning("%s, next try in %.0f s: %s", trouble, delay_s, error)
            time.sleep(delay_s)
    raise AssertionError("unreachable")
