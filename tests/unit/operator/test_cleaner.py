"""What becomes of runs that are over, and of those that somebody deletes."""

from __future__ import annotations

import copy

import pytest

from tests.support.operator.fake_operator import KEY, Operator
from tests.support.operator.world import World
from trainingrun_operator.core.errors import ConflictError, TransientError

DAY_S = 86400


async def an_operator_whose_run_has_succeeded(**spec: object) -> Operator:
    operator = Operator(World(**spec))
    for _ in ("preprocess", "train"):
        await operator.comes_to_rest()
        operator.world.worker_runs()
        operator.sees_everything()
        await operator.comes_to_rest()
        operator.world.worker_publishes()
        operator.sees_everything()
    await operator.comes_to_rest()
    operator.sees_everything()
    assert operator.world.status.phase == "Succeeded"
    operator.cluster.calls.clear()
    return operator


async def test_a_run_is_deleted_when_its_time_is_over_and_costs_nothing_before() -> None:
    operator = await an_operator_whose_run_has_succeeded(ttlSecondsAfterFinished={"succeeded": 600})
    assert await operator.visits() == 600
    operator.world.waits(599)
    assert await operator.visits() == 1
    assert operator.cluster.calls == []
    operator.world.waits(1)
    await operator.visits()
    assert operator.cluster.calls == ["delete_run"]
    assert operator.world.run == {}


async def test_the_time_to_live_survives_a_restart() -> None:
    operator = await an_operator_whose_run_has_succeeded(ttlSecondsAfterFinished={"succeeded": 600})
    operator.world.waits(700)
    operator.restarts()
    await operator.visits()
    assert operator.cluster.calls == ["delete_run"]


async def test_without_a_time_to_live_a_run_stays() -> None:
    operator = await an_operator_whose_run_has_succeeded(ttlSecondsAfterFinished={"failed": 0})
    operator.world.waits(10 * DAY_S)
    await operator.visits()
    assert "delete_run" not in operator.cluster.calls


async def test_a_time_to_live_that_is_changed_in_the_last_moment_holds() -> None:
    operator = await an_operator_whose_run_has_succeeded(ttlSecondsAfterFinished={"succeeded": 60})
    operator.world.waits(60)
    operator.world.changes_spec(ttlSecondsAfterFinished={"succeeded": 6000})
    with pytest.raises(ConflictError):
        await operator.visits()
    operator.sees_everything()
    assert await operator.visits() == 6000 - 60
    assert operator.world.run


async def test_the_jobs_of_a_run_that_is_over_get_a_time_to_live_once() -> None:
    operator = await an_operator_whose_run_has_succeeded()
    assert await operator.visits() == 60, "whatever else is due goes first"
    assert operator.cluster.calls == []
    operator.world.waits(60)
    assert await operator.visits() is None
    assert operator.cluster.calls == ["expire_job", "expire_job"]
    ttls = [job["spec"]["ttlSecondsAfterFinished"] for job in operator.world.jobs.values()]
    assert ttls == [DAY_S + 60, DAY_S + 60]
    operator.sees_everything()
    operator.lists_everything()
    await operator.visits()
    assert operator.cluster.calls == ["expire_job", "expire_job"]


async def test_no_job_has_a_time_to_live_while_its_run_goes_on() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.sees_everything()
    await operator.comes_to_rest()
    operator.world.waits(10 * DAY_S)
    await operator.visits()
    assert "expire_job" not in operator.cluster.calls


async def test_an_operator_that_was_killed_before_it_gave_them_one_does_so_after() -> None:
    operator = await an_operator_whose_run_has_succeeded()
    operator.world.waits(3600)
    operator.restarts()
    operator.cluster.faults["expire_job"] = [TransientError("down")]
    with pytest.raises(TransientError):
        await operator.visits()
    await operator.visits()
    assert all("ttlSecondsAfterFinished" in job["spec"] for job in operator.world.jobs.values())


async def test_the_jobs_of_a_run_that_is_to_be_deleted_go_with_it() -> None:
    operator = await an_operator_whose_run_has_succeeded(ttlSecondsAfterFinished={"succeeded": 10 * DAY_S})
    operator.world.waits(3600)
    operator.restarts()
    await operator.visits()
    assert operator.cluster.calls == []


async def test_a_job_that_ends_after_its_run_gets_one_too() -> None:
    operator = await an_operator_whose_run_has_succeeded()
    late = copy.deepcopy(operator.world.job)
    late["metadata"] |= {"uid": "late", "name": "late"}
    status = late.pop("status")
    operator.world.jobs["late"] = late
    operator.sees_everything()
    operator.world.waits(60)
    await operator.visits()
    assert "ttlSecondsAfterFinished" not in late["spec"]
    late["status"] = status
    assert operator.store.observe_job(operator.cluster.as_stored(late)) == KEY
    await operator.visits()
    assert "ttlSecondsAfterFinished" in late["spec"]


async def an_operator_whose_run_trains_and_is_deleted(**metadata: object) -> Operator:
    operator = Operator()
    operator.world.reaches_training()
    operator.world.worker_runs()
    operator.world.visits()
    operator.world.run["metadata"] |= {"deletionTimestamp": "2026-01-01T13:00:00Z", **metadata}
    operator.restarts()
    await operator.visits()
    return operator


async def test_a_run_that_is_being_deleted_keeps_no_gpu() -> None:
    operator = await an_operator_whose_run_trains_and_is_deleted(finalizers=["example.com/audit"])
    assert operator.cluster.calls == ["end_job"]
    assert operator.world.job["spec"]["activeDeadlineSeconds"] == 0
    operator.sees_everything()
    assert await operator.visits() is None
    assert operator.cluster.calls == ["end_job"], "once is enough"


async def test_a_job_that_is_deleted_with_its_run_is_left_to_that() -> None:
    operator = await an_operator_whose_run_trains_and_is_deleted(finalizers=["foregroundDeletion"])
    operator.cluster.calls.clear()
    operator.world.job["spec"].pop("activeDeadlineSeconds")
    operator.world.job["metadata"]["deletionTimestamp"] = "2026-01-01T13:00:01Z"
    operator.restarts()
    await operator.visits()
    assert operator.cluster.calls == []


async def test_whoever_deletes_a_run_may_keep_its_job() -> None:
    operator = await an_operator_whose_run_trains_and_is_deleted(finalizers=["orphan"])
    assert operator.cluster.calls == []


async def test_a_fault_in_between_is_healed_by_the_next_visit() -> None:
    operator = await an_operator_whose_run_trains_and_is_deleted()
    operator.world.job["spec"].pop("activeDeadlineSeconds")
    operator.restarts()
    operator.cluster.faults["end_job"] = [TransientError("down")]
    with pytest.raises(TransientError):
        await operator.visits()
    await operator.visits()
    assert operator.world.job["spec"]["activeDeadlineSeconds"] == 0
