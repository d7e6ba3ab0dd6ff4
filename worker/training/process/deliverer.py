"""A thread that delivers what changes to somebody who may be slow, silent or gone.

The newest wins: what changed in between is delivered together. What fails is tried again, later and later; it never
holds up those who change things, and costs one warning.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from training.process.backoff import PATIENT, Backoff

logger = logging.getLogger(__name__)
CLOSING_INTERVAL_S = 0.5  # between tries when little time is left
_Content = TypeVar("_Content")


class DeliveryError(Exception):
    """It did not arrive. `retry` says whether the same may arrive later, `after_s` how long the receiver asked to
    wait.
    """

    def __init__(self, reason: str, *, retry: bool, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry = retry
        self.after_s = after_s


@dataclass
class Schedule:
    """When something is tried. Asks no clock: all times are seconds of one that only goes forward."""

    min_interval_s: float  # from one delivery to the next
    backoff: Backoff
    next_try_s: float = 0.0
    failures: int = 0  # since the last delivery
    close_by_s: float | None = None
    _is_waiting: bool = False  # there is something to deliver
    _is_urgent: bool = False

    def change(self, *, urgent: bool) -> None:
        """There is something new; what is urgent waits for nothing."""
        self._is_waiting = True
        self._is_urgent = self._is_urgent or urgent

    def close(self, by_s: float) -> None:
        """What waits is tried at once, and again until that time; the first time that is named counts."""
        if self.close_by_s is None:
            self.close_by_s = by_s
            self._is_urgent = True

    def is_over(self, now_s: float) -> bool:
        """It was closed, and nothing is left to try or no time."""
        return self.close_by_s is not None and (not self._is_waiting or now_s >= self.close_by_s)

    def wait_s(self, now_s: float) -> float:
        """Until the next try, or the end; 0 where it is due, infinite where nothing is to be done."""
        if not self._is_waiting:
            return math.inf
        if self._is_urgent:
            return 0.0
        until_s = self.next_try_s if self.close_by_s is None else min(self.next_try_s, self.close_by_s)
        return max(0.0, until_s - now_s)

    def begin(self) -> None:
        """A try begins, of all that has changed."""
        self._is_waiting = self._is_urgent = False

    def succeed(self, now_s: float) -> None:
        """The try arrived."""
        self.failures = 0
        self.next_try_s = now_s + self.min_interval_s

    def fail(self, now_s: float, *, retry: bool, after_s: float = 0.0) -> None:
        """The try failed; `retry` what it was of, not before `after_s` seconds unless something urgent comes."""
        self.failures += 1
        self._is_waiting = self._is_waiting or retry
        delay_s = max(after_s, self.backoff.delay_s(self.failures))
        self.next_try_s = now_s + (delay_s if self.close_by_s is None else CLOSING_INTERVAL_S)


class Deliverer(Generic[_Content]):
    """The thread. What it delivers is its owner's, who changes it under `lock`."""

    def __init__(
        self,
        take: Callable[[], _Content],
        deliver: Callable[[_Content], None],
        *,
        name: str,
        trouble: str,
        min_interval_s: float,
        first_after_s: float = 0.0,
        backoff: Backoff = PATIENT,
    ) -> None:
        """`take` gives what is to be delivered, under the lock; `deliver` raises DeliveryError where it does not
        arrive, and what else it raises is a fault that no second try mends. `trouble` is what a warning says.
        """
        self._take = take
        self._deliver = deliver
        self._name = name
        self._trouble = trouble
        self._schedule = Schedule(
            min_interval_s=min_interval_s, backoff=backoff, next_try_s=time.monotonic() + first_after_s
        )
        self.lock = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        return self._schedule.close_by_s is not None

    @property
    def is_failing(self) -> bool:
        """Whether the last try failed."""
        return self._schedule.failures > 0

    def change(self, *, urgent: bool = False) -> None:
        """Deliver soon, at once if urgent. Returns at once."""
        with self.lock:
            self._schedule.change(urgent=urgent)
            self.lock.notify()

    def close(self, timeout_s: float) -> None:
        """Deliver what waits, trying for at most `timeout_s` seconds, and stop. May be called twice."""
        with self.lock:
            self._schedule.close(time.monotonic() + timeout_s)
            self.lock.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while self._wait():
            try:
                with self.lock:
                    self._schedule.begin()
                    content = self._take()
                self._deliver(content)
            except DeliveryError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001  a fault of theirs must not end the thread
                self._failed(DeliveryError(f"{type(error).__name__}: {error}", retry=False))
            else:
                self._succeeded()

    def _wait(self) -> bool:
        """Until a try is due; false at the end."""
        with self.lock:
            while True:
                now_s = time.monotonic()
                if self._schedule.is_over(now_s):
                    return False
                wait_s = self._schedule.wait_s(now_s)
                if wait_s <= 0:
                    return True
                self.lock.wait(None if math.isinf(wait_s) else wait_s)

    def _succeeded(self) -> None:
        with self.lock:
            failures = self._schedule.failures
            self._schedule.succeed(time.monotonic())
        if failures:
            logger.info("%s: delivered again after %d failures", self._name, failures)

    def _failed(self, error: DeliveryError) -> None:
        with self.lock:
            self._schedule.fail(time.monotonic(), retry=error.retry, after_s=error.after_s)
            is_first = self._schedule.failures == 1
        if is_first:
            logger.warning("%s: %s", self._trouble, error)
