"""What the API server has taken is remembered, for a while and up to a number."""

from __future__ import annotations

import pytest

from tests.support.operator.fake_cluster import FakeCluster
from tests.support.operator.world import World
from trainingrun_operator.api.dry_runs import MOST_REMEMBERED, REMEMBERED_S, DryRuns
from trainingrun_operator.core.errors import RefusedError
from trainingrun_operator.core.plan import Trial


class Desk:
    """Dry runs over a fake cluster, with a clock."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(World())
        self.now_s = 0.0
        self.dry_runs = DryRuns(self.cluster, lambda: self.now_s)

    async def tries(self, digest: str) -> int:
        """Answers how often the API server has been asked by then."""
        await self.dry_runs.takes(Trial(manifest={"metadata": {"name": "j"}}, digest=digest))
        return len(self.cluster.tried)


async def test_of_objects_that_are_alike_one_is_tried() -> None:
    desk = Desk()
    assert [await desk.tries("a"), await desk.tries("a"), await desk.tries("b")] == [1, 1, 2]


async def test_what_was_taken_long_ago_is_tried_again() -> None:
    desk = Desk()
    await desk.tries("a")
    desk.now_s = REMEMBERED_S - 1
    assert await desk.tries("a") == 1
    desk.now_s = REMEMBERED_S
    assert await desk.tries("a") == 2
    desk.now_s = 2 * REMEMBERED_S - 1
    assert await desk.tries("a") == 2


async def test_a_refusal_is_not_remembered() -> None:
    desk = Desk()
    desk.cluster.faults["dry_run"] = [RefusedError("exceeded quota")]
    with pytest.raises(RefusedError):
        await desk.tries("a")
    assert await desk.tries("a") == 2


async def test_the_oldest_is_forgotten_first() -> None:
    desk = Desk()
    for number in range(MOST_REMEMBERED + 1):
        await desk.tries(str(number))
    assert await desk.tries("1") == MOST_REMEMBERED + 1
    assert await desk.tries("0") == MOST_REMEMBERED + 2
