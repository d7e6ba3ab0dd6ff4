"""What is read of a Workload."""

from __future__ import annotations

from typing import Any

from tests.support.operator.workloads import NO_QUOTA, PREEMPTED, a_workload, admitted, evicted, pending
from trainingrun_operator.core.queueing.workload import view_workload

JOB: dict[str, Any] = {"metadata": {"name": "tables-train-1", "uid": "uid-of-job"}}


def test_a_workload_that_waits_for_quota() -> None:
    view = view_workload(a_workload(JOB, conditions=pending()))
    assert (view.job_uid, view.queue, view.active, view.suspend_wanted) == ("uid-of-job", "gpus", True, False)
    assert (view.quota_reserved, view.admitted, view.pending, view.evicted) == (False, False, NO_QUOTA, "")


def test_an_admitted_one() -> None:
    view = view_workload(a_workload(JOB, conditions=admitted()))
    assert (view.quota_reserved, view.admitted, view.pending) == (True, True, "")


def test_a_preempted_one_and_what_is_left_of_that_once_it_is_admitted_again() -> None:
    body = a_workload(JOB, conditions=evicted("Preempted", PREEMPTED))
    view = view_workload(body)
    assert (view.evicted_reason, view.evicted) == ("Preempted", PREEMPTED)
    body["status"]["conditions"][1]["status"] = "False"
    view = view_workload(body)
    assert (view.evicted_reason, view.evicted) == ("", "")


def test_admission_checks_that_are_still_to_pass() -> None:
    body = a_workload(JOB, conditions=admitted()[:1])
    body["status"]["admissionChecks"] = [
        {"name": "machines", "state": "Pending", "message": "2 nodes are being made"},
        {"name": "budget", "state": "Ready", "message": ""},
        {"name": "licence", "state": "Retry", "message": ""},
    ]
    view = view_workload(body)
    assert (view.quota_reserved, view.admitted) == (True, False)
    assert view.checks == "machines (2 nodes are being made), licence (Retry)"


def test_what_the_operator_wrote_last_and_what_holds_now_may_differ() -> None:
    body = a_workload(JOB, conditions=pending(), active=False)
    assert (view_workload(body).active, view_workload(body).suspend_wanted) == (False, False)
    body["metadata"]["annotations"] = {"training.badgerdoc.dev/suspend": "true"}
    assert view_workload(body).suspend_wanted
    del body["spec"]["active"], body["status"]
    assert view_workload(body).active, "true is its default"


def test_a_workload_of_no_job_is_of_none() -> None:
    body = a_workload(JOB, conditions=[])
    body["metadata"]["ownerReferences"] = []
    assert view_workload(body).job_uid == ""
