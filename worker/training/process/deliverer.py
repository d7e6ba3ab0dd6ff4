"""A background thread that sends changing content to a receiver that may be slow, silent or gone.

Only the newest content is sent: changes between two deliveries are merged. A failed delivery is retried with backoff;
it never blocks the code that makes the changes. A series of failures logs one warning.
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
CLOSING_INTERVAL_S = 0.5  # between retries while closing, when little time is left
_Content = TypeVar("_Content")


class DeliveryError(Exception):
    """A delivery failed. `retry`: it may succeed later. `after_s`: how many seconds the receiver asked to wait."""

    def __init__(self, reason: str, *, retry: bool, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry = retry
        self.after_s = after_s


@dataclass
class Schedule:
    """Decides when to try a delivery. Reads no clock: all times are seconds of the caller's monotonic clock."""

    min_interval_s: float  # between two deliveries
    backoff: Backoff
    next_try_s: float = 0.0
    failures: int = 0  # in a row
    close_by_s: float | None = None
    _is_waiting: bool = False  # there is something to deliver
    _is_urgent: bool = False

    def change(self, *, urgent: bool) -> None:
        """Note that there is new content; urgent content is due at once, whatever the interval or the backoff."""
        self._is_waiting = True
        self._is_urgent = self._is_urgent or urgent

    def close(self, by_s: float) -> None:
        """Make waiting content due at once, with retries until `by_s`. Later calls change nothing."""
        if self.close_by_s is None:
            self.close_by_s = by_s
            self._is_urgent = True

    def is_over(self, now_s: float) -> bool:
        """Whether `close` was called, and either nothing waits or the time is up."""
        return self.close_by_s is not None and (not self._is_waiting or now_s >= self.close_by_s)

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next try or the closing time: 0 if a try is due, infinite if nothing waits."""
        if not self._is_waiting:
            return math.inf
        if self._is_urgent:
            return 0.0
        until_s = self.next_try_s if self.close_by_s is None else min(self.next_try_s, self.close_by_s)
        return max(0.0, until_s - now_s)

    def begin(self) -> None:
        """Note that a try begins, with all changes so far."""
        self._is_waiting = self._is_urgent = False

    def succeed(self, now_s: float) -> None:
        """Note that the try succeeded."""
        self.failures = 0
        self.next_try_s = now_s + self.min_interval_s

    def fail(self, now_s: float, *, retry: bool, after_s: float = 0.0) -> None:
        """Note that the try failed. `retry`: its content waits again, for at least `after_s` seconds unless an urgent
        change comes or it is closing.
        """
        self.failures += 1
        self._is_waiting = self._is_waiting or retry
        delay_s = max(after_s, self.backoff.delay_s(self.failures))
        self.next_try_s = now_s + (delay_s if self.close_by_s is None else CLOSING_INTERVAL_S)


class Deliverer(Generic[_Content]):
    """The delivering thread. Its owner keeps the content, and changes it only while it holds `lock`."""

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
        """`take` is called under the lock and returns the content to deliver. `deliver` sends it and raises
        DeliveryError on failure; any other exception counts as a failure that is not worth a retry. `trouble` begins
        the warning about a failure.
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
        """Have the content delivered soon, or immediately if urgent. Does not wait for the delivery."""
        with self.lock:
            self._schedule.change(urgent=urgent)
            self.lock.notify()

    def close(self, timeout_s: float) -> None:
        """Deliver what waits, with retries for at most `timeout_s` seconds, and stop. May be called twice."""
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
            except Exception as error:  # noqa: BLE001  a bug in `take` or `deliver` must not end the thread
                self._failed(DeliveryError(f"{type(error).__name__}: {error}", retry=False))
            else:
                self._succeeded()

    def _wait(self) -> bool:
        """Wait until a try is due and return true; return false when it is over."""
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
