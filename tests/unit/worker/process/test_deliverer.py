"""What changes is delivered: the newest, not too often, again where it failed, and never after the end."""

import math
import threading
from collections.abc import Callable, Iterator
from itertools import chain, pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.process.backoff import Backoff
from training.process.deliverer import CLOSING_INTERVAL_S, Deliverer, DeliveryError, Schedule

LONG_S = 20.0
INTERVAL_S = 10.0
PATIENCE_S = 2.0
OK, RETRY, GIVE_UP = "ok", "retry", "give up"


class Doubling(Backoff):
    """Nothing of it is random."""

    def delay_s(self, failures: int) -> float:
        return 4.0 * 2.0 ** (failures - 1)


def tries(
    changes: list[tuple[int, bool]], answers: list[str], *, close_at_s: int | None = None, after_s: float = 0.0
) -> list[float]:
    """When something is tried, where it changes at these seconds, urgently or not, and a try takes no time."""
    schedule = Schedule(min_interval_s=INTERVAL_S, backoff=Doubling())
    coming = sorted(changes)
    answer: Iterator[str] = chain(answers, repeat(OK))
    found: list[float] = []
    now_s = 0.0
    while True:
        while coming and coming[0][0] <= now_s:
            schedule.change(urgent=coming.pop(0)[1])
        if close_at_s is not None and close_at_s <= now_s:
            schedule.close(close_at_s + PATIENCE_S)
        if schedule.is_over(now_s):
            return found
        wait_s = schedule.wait_s(now_s)
        if wait_s > 0:
            closing = math.inf if close_at_s is None or close_at_s <= now_s else close_at_s
            now_s = min(now_s + wait_s, coming[0][0] if coming else math.inf, closing)
            if math.isinf(now_s):
                return found
            continue
        schedule.begin()
        found.append(now_s)
        said = next(answer)
        if said == OK:
            schedule.succeed(now_s)
        else:
            schedule.fail(now_s, retry=said == RETRY, after_s=after_s)


@pytest.mark.parametrize(
    ("changes", "answers", "expected"),
    [
        ([], [], []),
        ([(3, False)], [], [3]),
        ([(0, False), (1, False), (2, False)], [], [0, 10]),
        ([(0, False), (1, True), (2, True)], [], [0, 1, 2]),
        ([(0, False), (30, False)], [], [0, 30]),
        ([(0, False)], [RETRY, RETRY, RETRY], [0, 4, 12, 28]),
        ([(0, False), (1, True)], [RETRY, RETRY], [0, 1, 9]),
        ([(0, False)], [GIVE_UP], [0]),
        ([(0, False), (1, False)], [GIVE_UP], [0, 4]),
        ([(0, False), (5, False), (6, False)], [RETRY, OK, RETRY, OK], [0, 4, 14, 18]),
    ],
    ids=[
        "nothing",
        "the first at once",
        "what changes in between goes together",
        "what is urgent waits for nothing",
        "after a pause at once",
        "later and later",
        "what is urgent hurries a receiver that fails too",
        "what is refused is not tried again",
        "the next is tried all the same",
        "a delivery makes failures forgotten",
    ],
)
def test_a_table_of_tries(changes: list[tuple[int, bool]], answers: list[str], expected: list[float]) -> None:
    assert tries(changes, answers) == expected


@pytest.mark.parametrize(
    ("changes", "answers", "expected"),
    [
        ([(0, False)], [], [0]),
        ([(0, False), (1, False)], [], [0, 5]),
        ([(0, False)], [RETRY, RETRY, OK], [0, 4, 5]),
        ([(0, False), (1, False)], [OK, *[RETRY] * 9], [0, *(5 + CLOSING_INTERVAL_S * n for n in range(4))]),
        ([(0, False), (1, False)], [OK, GIVE_UP], [0, 5]),
    ],
    ids=["nothing left", "what waits at once", "a backoff ends", "again until the time is up", "what is refused"],
)
def test_a_table_of_ends(changes: list[tuple[int, bool]], answers: list[str], expected: list[float]) -> None:
    assert tries(changes, answers, close_at_s=5) == expected


def test_the_receivers_wish_to_wait_is_heard_where_it_is_longer() -> None:
    assert tries([(0, False)], [RETRY, RETRY], after_s=7.0) == [0, 7, 15]


@given(
    changes=st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=12),
    answers=st.lists(st.sampled_from([OK, RETRY, GIVE_UP]), max_size=12),
    close_at_s=st.none() | st.integers(0, 90),
)
def test_every_change_is_tried_and_nothing_too_often_or_too_late(
    changes: list[tuple[int, bool]], answers: list[str], close_at_s: int | None
) -> None:
    found = tries(changes, answers, close_at_s=close_at_s)
    end_s = math.inf if close_at_s is None else close_at_s + PATIENCE_S
    known = [at_s for at_s, _ in changes if close_at_s is None or at_s <= close_at_s]
    assert all(found and at_s <= found[-1] for at_s in known)
    assert all(at_s < end_s for at_s in found)
    urgent = {at_s for at_s, is_urgent in changes if is_urgent}
    answered = dict(zip(found, chain(answers, repeat(OK)), strict=False))
    for before, after in pairwise(found):
        if after not in urgent and (close_at_s is None or after < close_at_s):
            assert after - before >= (INTERVAL_S if answered[before] == OK else Doubling().delay_s(1))


class Receiver:
    """Holds a number that others count up, and is told it; `answers` are raised first, in their order."""

    def __init__(self, *answers: Exception) -> None:
        self.number = 0
        self.answers = list(answers)
        self.told: list[int] = []
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.deliverer = Deliverer(
            lambda: self.number,
            self.deliver,
            name="number",
            trouble="the number is not heard",
            min_interval_s=0.0,
            backoff=Backoff(first_s=0.001, most_s=0.001),
        )

    def count(self, *, urgent: bool = False) -> None:
        with self.deliverer.lock:
            self.number += 1
            self.deliverer.change(urgent=urgent)

    def deliver(self, number: int) -> None:
        self.arrived.release()
        assert self.gate.wait(LONG_S)
        if self.answers:
            raise self.answers.pop(0)
        self.told.append(number)


def test_a_receiver_that_hangs_holds_up_nobody_and_then_hears_the_newest() -> None:
    receiver = Receiver()
    receiver.gate.clear()
    receiver.count()
    assert receiver.arrived.acquire(timeout=LONG_S)
    for _ in range(100):
        receiver.count(urgent=True)
    receiver.gate.set()
    receiver.deliverer.close(LONG_S)
    assert receiver.told == [1, 101]


def test_what_fails_is_tried_again_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(*[DeliveryError("away", retry=True)] * 3)
    receiver.count()
    for _ in range(4):
        assert receiver.arrived.acquire(timeout=LONG_S)
    receiver.deliverer.close(LONG_S)
    assert receiver.told == [1]
    assert [record.message for record in caplog.records] == ["the number is not heard: away"]
    assert not receiver.deliverer.is_failing


@pytest.mark.parametrize("error", [DeliveryError("refused", retry=False), RuntimeError("a fault of theirs")])
def test_what_no_second_try_mends_is_given_up_and_the_thread_goes_on(error: Exception) -> None:
    receiver = Receiver(error)
    receiver.count()
    assert receiver.arrived.acquire(timeout=LONG_S)
    receiver.count(urgent=True)
    receiver.deliverer.close(LONG_S)
    assert receiver.told == [2]


def test_closing_waits_no_longer_than_it_may_and_can_be_asked_for_twice() -> None:
    receiver = Receiver()
    receiver.gate.clear()
    receiver.count()
    assert receiver.arrived.acquire(timeout=LONG_S)
    for _ in range(2):
        receiver.deliverer.close(0.01)
    assert receiver.deliverer.is_closing
    assert receiver.told == []
    receiver.gate.set()


@pytest.mark.parametrize("make_due", [lambda receiver: receiver.count(urgent=True), lambda _: None])
def test_the_first_delivery_can_be_put_off_until_it_is_urgent_or_the_end(
    make_due: Callable[[Receiver], None],
) -> None:
    receiver = Receiver()
    receiver.deliverer = Deliverer(
        lambda: receiver.number,
        receiver.deliver,
        name="number",
        trouble="the number is not heard",
        min_interval_s=0.0,
        first_after_s=3600.0,
    )
    receiver.count()
    make_due(receiver)
    receiver.deliverer.close(LONG_S)
    assert receiver.told[-1] == receiver.number
