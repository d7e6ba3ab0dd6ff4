"""What is kept of Kueue's Workloads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.workloads import a_workload, admitted, pending
from tests.support.operator.world import UID, a_run
from trainingrun_operator.core.names import Kind
from trainingrun_operator.core.observed import view_job
from trainingrun_operator.kueue.workloads import Workloads
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store

KEY = Key("demo", "tables")
JOB: dict[str, Any] = {
    "metadata": {
        "name": "tables-train-1",
        "namespace": "demo",
        "uid": "uid-of-job",
        "resourceVersion": "5",
        "labels": {"training.badgerdoc.dev/run-uid": UID},
        "ownerReferences": [{"uid": UID, "controller": True}],
    },
}


def body(version: int, *, uid: str = "w", job: dict[str, Any] = JOB, **fields: Any) -> dict[str, Any]:
    found = a_workload(job, conditions=fields.get("conditions", pending()))
    found["metadata"] |= {"uid": uid, "resourceVersion": str(version)}
    return found


@pytest.fixture
def store() -> Store:
    found = Store()
    found.observe_run(a_run())
    found.observe_job(JOB)
    return found


@pytest.fixture
def workloads(store: Store) -> Workloads:
    return Workloads(store)


def seen(workloads: Workloads) -> list[str]:
    return [each.uid for each in workloads.of_jobs([view_job(JOB)])]


def test_a_workload_makes_its_jobs_run_due_where_it_is_news(workloads: Workloads) -> None:
    assert workloads.observe(body(7)) == KEY
    assert workloads.observe(body(8)) is None, "nothing but its version has changed"
    assert workloads.observe(body(9, conditions=admitted())) == KEY
    assert workloads.observe(body(6)) is None, "it is older"
    assert [each.admitted for each in workloads.of_jobs([view_job(JOB)])] == [True]


def test_workloads_of_others_are_not_kept(workloads: Workloads) -> None:
    other: dict[str, Any] = {"metadata": {"name": "other", "uid": "uid-of-other"}}
    assert workloads.observe(body(7, job=other)) is None
    assert workloads._by_job == {}


def test_one_that_is_made_anew_takes_the_place_of_the_deleted_one(workloads: Workloads) -> None:
    workloads.observe(body(7, uid="old"))
    assert workloads.observe(body(9, uid="new")) == KEY
    assert workloads.observe(body(8, uid="old"), deleted=True) is None, "the watch may tell of it later"
    assert seen(workloads) == ["new"]
    assert workloads.observe(body(10, uid="new"), deleted=True) == KEY
    assert seen(workloads) == []


def listed(workloads: Workloads, version: int, *bodies: dict[str, Any]) -> set[Key]:
    listing = workloads.begin_listing(Kind.WORKLOAD, None)
    listing.version = version
    for each in bodies:
        workloads.take_listed(listing, each)
    changed = workloads.end_listing(listing)
    workloads.drop_listing(listing)
    return changed


def test_what_a_list_has_is_there_and_what_it_lacks_is_gone_unless_it_is_newer(workloads: Workloads) -> None:
    assert listed(workloads, 10, body(7)) == {KEY}
    assert listed(workloads, 10, body(7)) == set()
    workloads.observe(body(12))
    assert listed(workloads, 11) == set(), "it was made after the list"
    assert seen(workloads) == ["w"]
    assert listed(workloads, 13) == {KEY}
    assert seen(workloads) == []


def test_one_that_is_deleted_while_the_list_is_read_is_not_brought_back(workloads: Workloads) -> None:
    workloads.observe(body(7))
    listing = workloads.begin_listing(Kind.WORKLOAD, None)
    listing.version = 8
    workloads.observe(body(9), deleted=True)
    workloads.take_listed(listing, body(7))
    workloads.end_listing(listing)
    assert seen(workloads) == []


def test_those_of_jobs_that_are_no_more_go_with_the_next_list(store: Store, workloads: Workloads) -> None:
    workloads.observe(body(7))
    store.observe_job(JOB, deleted=True)
    assert listed(workloads, 10, body(7)) == set()
    assert workloads._by_job == {}
