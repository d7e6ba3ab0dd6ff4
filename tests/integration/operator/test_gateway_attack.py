"""Strangers before the gateway: hundreds of slow and silent connections, and a worker that reports meanwhile."""

from __future__ import annotations

import pytest

from tests.support.operator.gateway_attack import measure
from trainingrun_operator.endpoints.listener import DEADLINE_S

pytestmark = pytest.mark.integration


def test_hostile_connections_are_closed_in_time_and_harm_nobody() -> None:
    figures = measure(300)
    assert figures.longest_kept_s < 15.0
    assert figures.longest_kept_s > DEADLINE_S / 2, "some of them were let in"
    assert figures.memory_growth_mib < 64
    assert figures.loop_late_s < 0.5
    assert figures.reports_taken == figures.reports > 3
