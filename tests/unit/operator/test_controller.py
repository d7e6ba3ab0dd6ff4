"""One visit's order of reads and writes, and what faults do to it."""

from __future__ import annotations

import pytest

from tests.support.operator.fake_cluster import Object
from tests.support.operator.fake_operator import KEY, Operator
from tests.support.operator.workloads import NO_QUOTA, a_workload, pending
from tests.support.operator.world import UID, World
from trainingrun_operator.core.errors import (
    ConflictError,
    GoneError,
    TransientError,
)
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase

JOB = "tables-preprocess-1-666ff6cc"


async def test_from_accepted_to_running_there_are_two_writes_of_the_status() -> None:
    operator = Operator()
    await operator.visits(3)
    assert operator.cluster.calls == ["dry_run", "dry_run", "apply_status", "create_job"]
    operator.world.pod_appears()
    operator.sees_everything()
    await operator.visits()
    operator.world.pods.clear()
    operator.world.worker_runs()
    operator.sees_everything()
    await operator.visits()
    assert operator.world.status.phase is Phase.PREPROCESSING
    assert operator.world.status.attempts.total == 1
    assert operator.cluster.calls == ["dry_run", "dry_run", "apply_status", "create_job", "apply_status"]


async def test_a_start_that_takes_seconds_is_told_of() -> None:
    operator = Operator()
    await operator.visits(2)
    assert await operator.visits() == 5.0
    operator.clock_s += 5.0
    await operator.visits()
    assert operator.world.reason == "WaitingForPod"


async def test_a_message_that_alone_changes_is_written_once_a_minute() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.pod_is_unschedulable("0/50 nodes are available: 50 Insufficient memory")
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.world.reason == "WaitingForNode"
    written = operator.cluster.calls.count("apply_status")
    for free in range(12):
        operator.world.pod["status"]["conditions"][0]["message"] = f"0/50 nodes are available: {free} are full"
        operator.sees_everything()
        await operator.visits()
        operator.clock_s += 10.0
    assert operator.cluster.calls.count("apply_status") == written + 1
    operator.clock_s += 10.0
    await operator.visits()
    assert "11 are full" in operator.world.message


async def test_a_run_passes_both_stages() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    for _ in ("preprocess", "train"):
        operator.world.worker_runs()
        operator.sees_everything()
        await operator.comes_to_rest()
        operator.world.worker_publishes()
        operator.sees_everything()
        await operator.comes_to_rest()
    assert operator.world.status.phase is Phase.SUCCEEDED
    progress = operator.world.status.progress
    assert progress is not None
    assert progress.percent == 100
    assert operator.events[-1] == "Succeeded"
    calls = list(operator.cluster.calls)
    assert not [call for call in calls if call.startswith(("get", "list"))], "a watch that works needs no other reads"
    assert await operator.visits() == 60, "its Jobs are given a time to live later, once"
    assert operator.cluster.calls == calls, "a finished run costs nothing"


async def test_at_rest_nothing_is_read_and_nothing_written() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.sees_everything()
    await operator.comes_to_rest()
    calls = list(operator.cluster.calls)
    for _ in range(100):
        operator.clock_s += 60.0
        await operator.visits()
    assert operator.cluster.calls == calls


async def test_the_final_progress_is_written_before_the_success() -> None:
    operator = Operator()
    operator.world.reaches_training()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.sees_everything()
    operator.cluster.faults["apply_progress"] = [TransientError("down")]
    with pytest.raises(TransientError):
        await operator.visits()
    assert operator.world.status.phase is not Phase.SUCCEEDED
    await operator.visits()
    assert operator.world.status.phase is Phase.SUCCEEDED


@pytest.mark.parametrize("call", ["get_job", "get_pod", "create_job", "apply_status", "list_pods"])
async def test_a_fault_at_any_call_is_healed_by_the_next_visit(call: str) -> None:
    operator = Operator()
    operator.world.visits()
    operator.world.worker_runs()
    operator.world.worker_exits(75)
    operator.restarts()
    operator.cluster.faults[call] = [TransientError("the API server is down")]
    for _ in range(6):
        operator.world.waits(30)
        operator.clock_s += 30
        try:
            await operator.visits()
        except TransientError:
            continue
    assert len(operator.world.created) == 2
    assert operator.world.status.attempts.counted == 1


async def test_no_event_is_posted_when_the_status_was_not_written() -> None:
    operator = Operator()
    operator.cluster.faults["apply_status"] = [TransientError("down")]
    with pytest.raises(TransientError):
        await operator.visits()
    assert operator.events == []


async def test_a_restarted_operator_finds_the_job_that_was_made_and_not_told_of() -> None:
    operator = Operator()
    await operator.visits(2)
    operator.restarts()
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1
    assert operator.world.status.attempts.total == 1
    assert operator.world.status.last_failure is None


async def test_a_result_that_the_watch_has_not_shown_yet_is_read_live() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.store.observe_job(operator.cluster.as_stored(operator.world.job))
    await operator.visits()
    assert operator.world.status.dataset is not None
    assert "list_pods" in operator.cluster.calls


async def test_the_end_of_a_pod_that_the_watch_has_not_shown_yet_is_read_by_name() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.sees_everything()
    operator.world.worker_publishes()
    operator.store.observe_job(operator.cluster.as_stored(operator.world.job))
    await operator.visits()
    assert operator.world.status.dataset is not None
    assert [call for call in operator.cluster.calls if call.startswith(("get", "list"))] == ["get_pod"]


async def test_a_finished_job_is_judged_on_its_pods_as_they_are_now() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.world.pod_ends(1)
    operator.store.observe_pod(operator.cluster.as_stored(operator.world.pod))
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.store.observe_job(operator.cluster.as_stored(operator.world.job))
    await operator.visits()
    assert operator.world.status.dataset is not None


async def test_a_pod_that_appears_while_the_pods_are_listed_is_not_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()

    async def slow_list(_: Run) -> list[Object]:
        operator.world.worker_publishes()
        operator.sees_everything()
        return []

    monkeypatch.setattr(operator.cluster, "list_pods", slow_list)
    operator.world.job_ends("Complete", "CompletionsReached")
    operator.store.observe_job(operator.cluster.as_stored(operator.world.job))
    await operator.comes_to_rest()
    assert operator.world.status.dataset is not None
    assert operator.world.status.last_failure is None


async def test_an_orphan_that_the_watch_has_not_shown_keeps_the_next_attempt_waiting() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    orphan = operator.world.pod
    del orphan["metadata"]["ownerReferences"]
    operator.store.observe_job(operator.world.job, deleted=True)
    operator.world.jobs.clear()
    await operator.comes_to_rest()
    operator.world.waits_for_the_retry()
    assert await operator.visits() == 5.0
    assert len(operator.world.created) == 1
    calls = list(operator.cluster.calls)
    for _ in range(100):
        await operator.visits()
    assert operator.cluster.calls == calls, "waiting costs nothing"
    operator.store.observe_pod(orphan, deleted=True)
    operator.world.pods.clear()
    await operator.comes_to_rest()
    assert len(operator.world.created) == 2


async def test_a_job_whose_deletion_the_watch_missed_is_noticed_with_the_next_list() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.jobs.clear()
    await operator.visits()
    assert operator.world.status.last_failure is None
    operator.lists_everything()
    await operator.visits()
    assert operator.world.status.last_failure is not None
    assert operator.world.status.last_failure.failure_class == "JobLost"


async def test_a_job_that_has_lost_its_label_is_not_called_lost() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    job = operator.world.job
    job["metadata"]["labels"].pop("training.badgerdoc.dev/run-uid")
    # So a watch with a label selector tells of it.
    operator.store.observe_job(operator.cluster.as_stored(job), deleted=True)
    for _ in range(3):
        await operator.visits()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.store.observe_job(operator.cluster.as_stored(job), deleted=True)
    await operator.visits()
    assert operator.world.status.last_failure is None
    assert operator.world.status.dataset is not None


async def test_a_result_that_was_seen_outlives_its_job() -> None:
    operator = Operator()
    operator.world.reaches_training()
    operator.world.worker_runs()
    operator.sees_everything()
    operator.world.worker_publishes()
    operator.store.observe_pod(operator.cluster.as_stored(operator.world.pod))
    operator.store.observe_pod(operator.cluster.as_stored(operator.world.pod), deleted=True)
    operator.store.observe_job(operator.cluster.as_stored(operator.world.job), deleted=True)
    operator.world.jobs.clear()
    operator.world.pods.clear()
    await operator.visits()
    assert operator.world.status.phase is Phase.SUCCEEDED


async def test_a_job_that_is_being_deleted_is_not_said_to_wait() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.job["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.world.status.phase is Phase.RETRYING
    assert "is being deleted" in operator.world.message
    assert operator.world.status.last_failure is None


async def test_a_job_to_delete_that_no_watch_shows_any_more_is_forgotten_once_it_is_gone() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.changes_spec(suspend=True)
    operator.sees_everything()
    await operator.comes_to_rest()
    more = {"podTemplate": {"resources": {"limits": {"memory": "64Gi"}}}}
    operator.world.changes_spec(preprocess=more, suspend=False)
    operator.sees_everything()
    # Somebody has taken its label away, so nobody tells that it is gone.
    await operator.visits(3)
    assert operator.cluster.calls.count("delete_job") == 2
    operator.store.observe_run(operator.cluster.stored_run())
    await operator.comes_to_rest()
    assert len(operator.world.created) == 2


async def test_a_run_that_is_gone_when_it_is_written_to_is_forgotten() -> None:
    operator = Operator()
    operator.cluster.faults["apply_status"] = [GoneError("not found")]
    assert await operator.visits() is None
    assert operator.store.run(KEY) is None
    operator.sees_everything()
    assert operator.store.run(KEY) is not None, "nothing keeps it from being seen again"


async def test_an_unreadable_run_is_tried_again_and_never_failed() -> None:
    operator = Operator()
    operator.world.run["status"] = {"phase": "Hibernating"}
    operator.sees_everything()
    with pytest.raises(Exception, match="can't be read"):
        await operator.visits()
    assert operator.world.run["status"] == {"phase": "Hibernating"}


async def test_a_run_replaced_by_another_of_the_same_name_is_not_written_to() -> None:
    operator = Operator()
    operator.world.run["metadata"]["uid"] = f"{UID}-new"
    with pytest.raises(ConflictError):
        await operator.visits()
    assert "status" not in operator.world.run


async def test_two_operators_do_not_undo_each_other() -> None:
    operator = Operator()
    other = Operator(operator.world)
    other.cluster = operator.cluster
    other.restarts()
    operator.world.reaches_training()
    for each in (operator, other):
        each.sees_everything()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    other.store.observe_pod(operator.cluster.as_stored(operator.world.pod))
    operator.sees_everything()
    await operator.comes_to_rest()
    before = dict(operator.world.run["status"])
    other.clock_s += 100
    with pytest.raises(ConflictError):
        await other.visits()
    assert operator.world.run["status"] == before
    other.sees_everything()
    await other.visits()
    assert operator.world.run["status"] == before


async def test_suspending_writes_nothing_but_the_jobs_suspend_field() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.changes_spec(suspend=True)
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.world.job["spec"]["suspend"] is True
    assert operator.world.status.phase is Phase.SUSPENDED
    assert operator.cluster.calls.count("create_job") == 1


async def test_suspending_a_queued_run_writes_nothing_but_its_workloads_active_field() -> None:
    world = World()
    world.run["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}
    world.workloads = {}
    operator = Operator(world)
    await operator.comes_to_rest()
    world.job["spec"]["suspend"] = True
    world.workloads["w"] = a_workload(world.job, conditions=pending())
    world.workloads["w"]["metadata"]["name"] = "w"
    operator.sees_everything()
    await operator.comes_to_rest()
    assert NO_QUOTA in world.message
    operator.cluster.calls.clear()
    world.changes_spec(suspend=True)
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.cluster.calls == ["set_active", "apply_status"]
    assert (world.workloads["w"]["spec"]["active"], world.status.phase) == (False, "Suspended")
    await operator.comes_to_rest()
    assert operator.cluster.calls == ["set_active", "apply_status"], "its own write is known without the watch"


async def test_a_conflict_is_an_error_of_the_visit() -> None:
    operator = Operator()
    operator.cluster.faults["apply_status"] = [ConflictError("changed meanwhile")]
    with pytest.raises(ConflictError):
        await operator.visits()
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1
