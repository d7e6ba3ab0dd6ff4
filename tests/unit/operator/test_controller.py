"""One visit's order of reads and writes, and what faults do to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.fake_cluster import FakeCluster, Object
from tests.support.operator.world import DEFAULTS, UID, World
from trainingrun_operator.controller import REFRESH_S, Controller
from trainingrun_operator.core.errors import ConflictError, GoneError, InvalidError, RefusedError, TransientError
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase
from trainingrun_operator.progress_writer import ProgressWriter
from trainingrun_operator.store import Key, Store

KEY = Key("demo", "tables")


class Operator:
    """A controller over a fake cluster; `restarts` forgets all that it knew."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.cluster = FakeCluster(self.world)
        self.clock_s = 0.0
        self.restarts()

    def restarts(self) -> None:
        self.store = Store()
        self.writer = ProgressWriter(
            self.cluster,
            self.store,
            interval=timedelta(seconds=10),
            clock=lambda: self.clock_s,
            now=lambda: self.world.now,
        )
        self.controller = Controller(
            self.store,
            self.cluster,
            self.writer,
            defaults=lambda: DEFAULTS,
            clock=lambda: self.clock_s,
            now=lambda: self.world.now,
        )
        self.store.observe_run(self.cluster.stored_run())

    def sees_everything(self) -> None:
        """The watch delivers."""
        self.store.observe_run(self.cluster.stored_run())
        for job in self.world.jobs.values():
            self.store.observe_job(job)
        for pod in self.world.pods.values():
            self.store.observe_pod(pod)

    async def visits(self, times: int = 1) -> float | None:
        again = None
        for _ in range(times):
            again = await self.controller.visit(KEY)
        return again

    async def comes_to_rest(self) -> None:
        for _ in range(10):
            if await self.controller.visit(KEY) != 0.0:
                return
        raise AssertionError("the operator does not come to rest")


async def test_the_start_is_stored_before_the_first_job_is_made() -> None:
    operator = Operator()
    await operator.visits(2)
    writes = [call for call in operator.cluster.calls if call in ("create_job", "apply_status")]
    assert writes == ["apply_status", "create_job", "apply_status"]


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
    assert operator.cluster.events[-1] == "Succeeded"
    calls = operator.cluster.calls
    assert await operator.visits() is None
    assert operator.cluster.calls == calls, "a finished run costs nothing"


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


@pytest.mark.parametrize("call", ["get_run", "get_job", "create_job", "apply_status", "list_pods"])
async def test_a_fault_at_any_call_is_healed_by_the_next_visit(call: str) -> None:
    operator = Operator()
    operator.world.visits()
    operator.world.worker_runs()
    operator.world.worker_exits(75)
    operator.restarts()
    operator.cluster.faults[call] = [TransientError("the API server is down")]
    for _ in range(6):
        operator.world.waits(30)
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
    assert operator.cluster.events == []


async def test_a_lost_event_stops_nothing() -> None:
    operator = Operator()
    operator.cluster.faults["post_event"] = [RefusedError("no rights")]
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1


async def test_a_restarted_operator_finds_the_job_that_the_watch_has_not_shown_yet() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.restarts()
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1
    assert operator.world.status.last_failure is None


async def test_a_result_that_the_watch_has_not_shown_yet_is_read_live() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.store.observe_job(operator.world.job)
    await operator.visits()
    assert operator.world.status.dataset is not None


async def test_a_finished_job_is_judged_on_its_pods_as_they_are_now() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.world.pod_ends(1)
    operator.store.observe_pod(operator.world.pod)
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.store.observe_job(operator.world.job)
    await operator.visits()
    assert operator.world.status.dataset is not None


async def test_a_pod_that_appears_while_the_pods_are_listed_is_not_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator()
    await operator.comes_to_rest()

    async def slow_list(_: Run) -> list[Object]:
        operator.world.worker_runs()
        operator.sees_everything()
        return []

    monkeypatch.setattr(operator.cluster, "list_pods", slow_list)
    operator.clock_s += REFRESH_S + 1
    await operator.visits()
    monkeypatch.undo()
    operator.world.worker_publishes()
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.world.status.dataset is not None
    assert operator.world.status.last_failure is None


async def test_a_job_that_ends_after_its_pods_were_listed_is_not_judged_on_that_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.sees_everything()
    list_pods = operator.cluster.list_pods

    async def slow_list(run: Run) -> list[Object]:
        listed = await list_pods(run)
        if "status" not in operator.world.job:
            operator.world.worker_publishes()
            operator.store.observe_job(operator.world.job)
        return listed

    monkeypatch.setattr(operator.cluster, "list_pods", slow_list)
    operator.clock_s += REFRESH_S + 1
    await operator.visits()
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
    operator.world.pods.clear()
    await operator.comes_to_rest()
    assert len(operator.world.created) == 2


async def test_a_job_whose_deletion_the_watch_missed_is_noticed_in_time() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.jobs.clear()
    await operator.visits()
    assert operator.world.status.last_failure is None
    operator.clock_s += REFRESH_S + 1
    await operator.visits()
    assert operator.world.status.last_failure is not None
    assert operator.world.status.last_failure.failure_class == "JobLost"


async def test_a_run_whose_deletion_the_watch_missed_is_forgotten() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.clock_s += REFRESH_S + 1
    operator.cluster.faults["get_run"] = [GoneError("not found")]
    assert await operator.visits() is None
    assert operator.store.run(KEY) is None


async def test_a_job_that_is_invalid_fails_the_run_and_one_that_is_refused_does_not() -> None:
    refused, invalid = Operator(), Operator()
    refused.cluster.faults["create_job"] = [RefusedError("exceeded quota")]
    invalid.cluster.faults["create_job"] = [InvalidError("spec.template: invalid")]
    for operator in (refused, invalid):
        await operator.comes_to_rest()
    assert invalid.world.status.phase is Phase.FAILED
    assert refused.world.status.phase is Phase.PENDING
    assert "exceeded quota" in refused.world.message
    await refused.comes_to_rest()
    assert len(refused.world.created) == 1


async def test_a_job_of_someone_else_under_the_name_fails_the_run() -> None:
    operator = Operator()
    await operator.visits()
    name = "tables-preprocess-1-666ff6cc"
    foreign = {"metadata": {"name": name, "namespace": "demo", "uid": "foreign"}, "spec": {}}
    operator.world.jobs[name] = foreign
    await operator.comes_to_rest()
    assert operator.world.reason == "JobConflict"
    assert operator.world.created == []


async def test_a_job_of_someone_else_that_appears_in_between_is_not_taken_for_the_runs() -> None:
    operator = Operator()
    await operator.visits()
    name = "tables-preprocess-1-666ff6cc"
    operator.world.jobs[name] = {"metadata": {"name": name, "namespace": "demo", "uid": "foreign"}, "spec": {}}
    operator.cluster.faults["get_job"] = [GoneError("not there yet")]
    assert await operator.visits() == 0.0
    assert operator.world.status.attempts.total == 0
    await operator.comes_to_rest()
    assert operator.world.reason == "JobConflict"


async def test_a_job_that_was_forgotten_is_looked_for_before_it_is_called_lost() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.store.forget_job(operator.world.job["metadata"]["uid"])
    await operator.comes_to_rest()
    assert operator.world.status.last_failure is None


async def test_an_unreadable_run_is_tried_again_and_never_failed() -> None:
    operator = Operator()
    operator.world.run["status"] = {"phase": "Hibernating"}
    operator.sees_everything()
    with pytest.raises(Exception, match="can't be read"):
        await operator.visits()
    assert operator.world.run["status"] == {"phase": "Hibernating"}


async def test_a_run_replaced_by_another_of_the_same_name_is_not_written_to() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.run["metadata"]["uid"] = f"{UID}-new"
    operator.clock_s += REFRESH_S + 1
    await operator.visits()
    assert operator.world.status.attempts.total == 1


async def test_suspending_writes_nothing_but_the_jobs_suspend_field() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    operator.world.changes_spec(suspend=True)
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.world.job["spec"]["suspend"] is True
    assert operator.world.status.phase is Phase.SUSPENDED
    assert operator.cluster.calls.count("create_job") == 1


async def test_a_conflict_is_an_error_of_the_visit() -> None:
    operator = Operator()
    operator.cluster.faults["apply_status"] = [ConflictError("changed meanwhile")]
    with pytest.raises(ConflictError):
        await operator.visits()
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1
