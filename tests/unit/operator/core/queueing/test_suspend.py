"""How a run's suspend reaches a Job: one table."""

from __future__ import annotations

import pytest

from tests.support.operator.world import a_run
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.queueing.suspend import unfulfilled_suspend, with_the_runs_wish
from trainingrun_operator.core.queueing.workload import KueueView, WorkloadView
from trainingrun_operator.core.resource.run import Run

# The run's wish, what the operator last wrote to the Job, its queue, its Workload, and what is written to either.
Case = tuple[bool, bool, str, tuple[bool, bool] | None, bool | None, bool | None]


def a_job(*, queue: str = "", wanted: bool = False, suspended: bool = False, by: str = "") -> JobView:
    return JobView(
        name="j",
        namespace="demo",
        uid="j",
        owner_uid=None,
        queue=queue,
        suspend_wanted=wanted,
        suspended=suspended,
        suspended_by=by,
    )


def a_workload(*, active: bool, wanted: bool) -> WorkloadView:
    return WorkloadView(name="w", namespace="demo", uid="w", job_uid="j", active=active, suspend_wanted=wanted)


def a_suspended_run(*, suspend: bool) -> Run:
    return Run.parse(a_run(suspend=suspend))


@pytest.mark.parametrize(
    "case",
    [
        # Nobody's but the Job controller's.
        (True, False, "", None, True, None),
        (False, True, "", None, False, None),
        (True, True, "", None, None, None),
        # In a queue, and no Workload in sight: Kueue's.
        (True, False, "gpus", None, None, None),
        (False, True, "gpus", None, None, None),
        # (active, as last wanted): only a change of the wish is written, whatever holds.
        (True, False, "gpus", (True, False), None, False),
        (True, False, "gpus", (False, False), None, False),
        (True, False, "gpus", (True, True), None, None),
        (False, False, "gpus", (False, True), None, True),
        (False, False, "gpus", (False, False), None, None),
        # Kueue may manage Jobs without a queue.
        (True, False, "", (True, False), None, False),
    ],
)
def test_only_a_change_of_the_runs_wish_is_written_and_where_it_counts(case: Case) -> None:
    wish, job_wanted, queue, workload, job_written, workload_written = case
    job = a_job(queue=queue, wanted=job_wanted)
    known = None if workload is None else a_workload(active=workload[0], wanted=workload[1])
    new_job, new_workload = with_the_runs_wish(a_suspended_run(suspend=wish), job, KueueView(workload=known))
    assert (None if new_job == job else new_job.suspended) is job_written
    assert (None if new_workload in (None, known) else new_workload and new_workload.active) is workload_written
    again = with_the_runs_wish(a_suspended_run(suspend=wish), new_job, KueueView(workload=new_workload))
    assert again == (new_job, new_workload), "once is enough"


@pytest.mark.parametrize(
    ("queue", "kueue", "says"),
    [
        ("gpus", KueueView(), "holds from the next attempt on: this Job is Kueue's to suspend"),
        ("gpus", KueueView(followed=True), "waits for Kueue to make the Workload"),
        ("gpus", KueueView(workload=a_workload(active=False, wanted=True), followed=True), "Kueue stops it"),
        ("gpus", KueueView(workload=a_workload(active=True, wanted=True), followed=True), "made its Workload w active"),
        ("", KueueView(), "but eve has resumed the Job"),
    ],
)
def test_what_keeps_a_suspend_from_holding_is_said(queue: str, kueue: KueueView, says: str) -> None:
    job = a_job(queue=queue, by="eve")
    assert says in unfulfilled_suspend(a_suspended_run(suspend=True), job, kueue)
    assert unfulfilled_suspend(a_suspended_run(suspend=False), job, kueue) == ""
