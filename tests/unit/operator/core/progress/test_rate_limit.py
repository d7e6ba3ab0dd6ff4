"""The reports of one run are limited."""

from __future__ import annotations

from trainingrun_operator.core.progress.rate_limit import RateLimit


def test_a_burst_passes_and_a_flood_does_not() -> None:
    limit, taken = RateLimit(), 0
    for _ in range(50):
        limit, allowed = limit.take(0.0)
        taken += allowed
    assert taken == 10
    limit, allowed = limit.take(1.5)
    assert allowed
    assert not limit.take(1.5)[1]
