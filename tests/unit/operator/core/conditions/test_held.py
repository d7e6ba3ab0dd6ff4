"""What a run waits for whose Job is suspended: one table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.workloads import (
    DEACTIVATED,
    NO_QUOTA,
    PREEMPTED,
    a_workload,
    admitted,
    evicted,
    pending,
)
from tests.support.operator.world import a_run
from trainingrun_operator.core.conditions.held import held
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.queueing.workload import KueueView, view_workload
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

BODY: dict[str, Any] = {"metadata": {"name": "tables-train-1", "uid": "j"}}
UNSEEN = KueueView()


def seen(conditions: list[dict[str, Any]], **more: Any) -> KueueView:
    return KueueView(workload=view_workload(a_workload(BODY, conditions=conditions, **more)), followed=True)


@pytest.mark.parametrize(
    "case",
    [
        (False, "gpus", "", UNSEEN, "WaitingForQuota", "train waits for the Kueue queue gpus to admit it"),
        (False, "", "kueue", UNSEEN, "WaitingForQuota", "train waits for Kueue to admit it"),
        (
            False,
            "gpus",
            "",
            seen(pending()),
            "WaitingForQuota",
            f"train waits for quota in the Kueue queue gpus: {NO_QUOTA}",
        ),
        (False, "", "", seen(pending(), queue=""), "WaitingForQuota", f"train waits for quota in Kueue: {NO_QUOTA}"),
        (False, "gpus", "", seen([]), "WaitingForQuota", "train waits for quota in the Kueue queue gpus"),
        (
            False,
            "gpus",
            "",
            seen(evicted("Preempted", PREEMPTED)),
            "WaitingForQuota",
            f"train waits for quota in the Kueue queue gpus: {PREEMPTED}",
        ),
        (
            False,
            "gpus",
            "",
            seen(admitted()),
            "WaitingForQuota",
            "train is admitted by the Kueue queue gpus; its Job follows",
        ),
        (
            False,
            "gpus",
            "",
            seen(admitted()[:1]),
            "WaitingForQuota",
            "train has its quota in the Kueue queue gpus and waits for its admission checks",
        ),
        (
            False,
            "gpus",
            "",
            seen(evicted("Deactivated", DEACTIVATED), active=False),
            "SuspendedByOthers",
            f"Workload job-tables-train-1 of Job j was deactivated, not by this run ({DEACTIVATED}); it goes on when",
        ),
        (True, "gpus", "", seen(evicted("Deactivated", DEACTIVATED), active=False), "Suspended", "set it to false"),
        (True, "gpus", "", UNSEEN, "WaitingForQuota", "this Job is Kueue's to suspend"),
        (True, "", "", UNSEEN, "Suspended", "set it to false to go on"),
        (True, "", "kueue", UNSEEN, "Suspended", "set it to false to go on"),
        (False, "", "eve", UNSEEN, "SuspendedByOthers", "Job j was suspended by eve, not by this run"),
    ],
)
def test_the_status_says_what_a_suspended_job_waits_for(case: tuple[bool, str, str, KueueView, str, str]) -> None:
    suspend, queue, by, kueue, reason, message = case
    run = Run.parse(a_run(suspend=suspend))
    job = JobView(name="j", namespace="demo", uid="j", owner_uid=None, queue=queue, suspended=True, suspended_by=by)
    summary = held(run, Stage.TRAIN, job, kueue)
    assert summary.reason == reason
    assert message in summary.message
    assert summary.phase == ("Queued" if reason == "WaitingForQuota" else "Suspended")
    assert not summary.stalled
