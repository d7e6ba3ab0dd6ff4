"""Who is let in, and who goes for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainingrun_operator.endpoints.connections import Connections, Limits

LIMITS = Limits(in_all=4, per_source=3, fruitless_in_all=10, fruitless_per_source=5)


def opened(*sources: str) -> tuple[Connections[int], list[int | None]]:
    connections: Connections[int] = Connections(LIMITS)
    return connections, [connections.add(number, source) for number, source in enumerate(sources)]


def test_a_source_that_has_all_its_connections_gives_up_its_oldest() -> None:
    _, displaced = opened("a", "b", "a", "a", "a")
    assert displaced == [None, None, None, None, 0]


def test_when_there_is_no_room_the_source_with_the_most_gives_up_its_oldest() -> None:
    _, displaced = opened("b", "a", "a", "a", "c", "d")
    assert displaced == [None, None, None, None, 1, 2]


def test_a_closed_connection_makes_room_and_may_be_told_twice() -> None:
    connections, _ = opened("a", "a", "a")
    connections.remove(1)
    connections.remove(1)
    assert len(connections) == 2
    assert connections.add(9, "a") is None


def test_fruitless_connections_of_a_source_are_refused_until_time_has_passed() -> None:
    connections: Connections[int] = Connections(LIMITS)
    assert [connections.allows("a", 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert connections.allows("b", 0.0), "another source has its own"
    assert connections.allows("a", 0.2)
    assert not connections.allows("a", 0.2)


def test_fruitless_connections_of_many_sources_are_refused_together() -> None:
    connections: Connections[int] = Connections(LIMITS)
    assert sum(connections.allows(f"source-{number}", 0.0) for number in range(100)) == 10


def test_connections_that_bear_fruit_are_never_too_many() -> None:
    connections: Connections[int] = Connections(LIMITS)
    for _ in range(100):
        assert connections.allows("a", 0.0)
        connections.bore_fruit("a")
    assert sum(connections.allows("a", 0.0) for _ in range(100)) <= LIMITS.fruitless_per_source + 1


def test_sources_that_come_once_are_forgotten() -> None:
    connections: Connections[int] = Connections(LIMITS)
    for number in range(5000):
        connections.allows(f"source-{number}", number / 10)
    assert len(connections._sources) <= 1001


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=60))
def test_whatever_comes_and_goes_the_limits_hold_and_the_newest_is_in(steps: list[tuple[str, bool]]) -> None:
    connections: Connections[int] = Connections(LIMITS)
    open_now: dict[int, str] = {}
    for number, (source, closes) in enumerate(steps):
        if closes and open_now:
            connections.remove(next(iter(open_now)))
            del open_now[next(iter(open_now))]
        displaced = connections.add(number, source)
        if displaced is not None:
            del open_now[displaced]
        open_now[number] = source
        assert len(connections) == len(open_now) <= LIMITS.in_all
        assert list(open_now.values()).count(source) <= LIMITS.per_source
