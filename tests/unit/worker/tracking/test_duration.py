"""Time spans, as the terminal and the reports say them."""

import pytest

from training.tracking.duration import duration


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (60, "1 min"), (3599, "1 h 00 min"), (90_000, "25 h 00 min")],
)
def test_durations_are_said_as_people_do(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
