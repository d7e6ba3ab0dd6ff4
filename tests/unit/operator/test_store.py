"""What the store remembers, and of whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import INDEX, UID, World, a_run
from trainingrun_operator.store import Key, Store

KEY = Key("demo", "tables")


def job(uid: str = "job-1", *, owner: str | None = UID, version: str = "5", **status: Any) -> dict[str, Any]:
    refs = [{"uid": owner, "controller": True}] if owner else []
    labels = {"training.badgerdoc.dev/run": "tables", "training.badgerdoc.dev/attempt": "1"}
    meta = {"name": f"name-of-{uid}", "namespace": "demo", "uid": uid, "ownerReferences": refs, "labels": labels}
    return {"metadata": {**meta, "resourceVersion": version}, "spec": {}, "status": status}


def pod(
    uid: str = "pod-1", *, owner: str = "job-1", version: str = "5", phase: str = "Running", index: str = ""
) -> dict[str, Any]:
    labels = {"training.badgerdoc.dev/run": "tables", "training.badgerdoc.dev/run-uid": UID, INDEX: index}
    meta = {"name": uid, "namespace": "demo", "uid": uid, "ownerReferences": [{"uid": owner, "controller": True}]}
    return {"metadata": {**meta, "resourceVersion": version, "labels": labels}, "status": {"phase": phase}}


def seen_pods(store: Store) -> dict[str, tuple[str, bool]]:
    return {each.uid: (each.phase, each.gone) for each in store.pods_of(UID)}


def test_a_child_leads_to_its_run() -> None:
    store = Store()
    assert store.observe_run(a_run()) == KEY
    assert store.observe_job(job()) == KEY
    assert store.observe_pod(pod()) == KEY


def test_only_the_owners_uid_makes_a_job_a_child() -> None:
    store = Store()
    store.observe_job(job("mine"))
    store.observe_job(job("forged", owner=None))
    store.observe_job(job("of-another", owner="another"))
    assert [each.uid for each in store.jobs_of(UID)] == ["mine"]
    assert store.job_named("demo", "name-of-forged") is not None


def test_an_owner_that_is_not_the_controller_is_no_owner() -> None:
    store = Store()
    body = job()
    body["metadata"]["ownerReferences"] = [{"uid": UID}]
    store.observe_job(body)
    assert store.jobs_of(UID) == ()


def test_an_older_version_never_replaces_a_newer_one() -> None:
    store = Store()
    newer, older = a_run(suspend=True), a_run()
    newer["metadata"]["resourceVersion"], older["metadata"]["resourceVersion"] = "100", "99"
    store.observe_run(newer)
    store.observe_run(older)
    run = store.run(KEY)
    assert run is not None
    assert run["spec"]["suspend"] is True


def test_a_run_of_the_same_name_replaces_a_deleted_one_whatever_its_version() -> None:
    store = Store()
    old, new = a_run(), a_run()
    old["metadata"]["resourceVersion"] = "100"
    new["metadata"] |= {"uid": "new", "resourceVersion": "99"}
    store.observe_run(old)
    store.observe_run(new)
    store.observe_run(old, deleted=True)
    run = store.run(KEY)
    assert run is not None
    assert run["metadata"]["uid"] == "new"


def test_a_late_read_does_not_bring_a_deleted_object_back() -> None:
    store = Store()
    store.observe_job(job())
    store.observe_job(job(), deleted=True)
    store.observe_job(job(version="4"))
    assert store.jobs_of(UID) == ()
    store.observe_run(a_run())
    store.observe_run(a_run(), deleted=True)
    store.observe_run(a_run())
    assert store.run(KEY) is None


def test_the_last_sight_of_a_deleted_pod_is_kept() -> None:
    store = Store()
    store.observe_pod(pod())
    store.observe_pod(pod(version="6", phase="Failed"), deleted=True)
    store.observe_pod(pod(version="5"))
    assert seen_pods(store) == {"pod-1": ("Failed", True)}


@pytest.mark.parametrize("order", [("run", "job", "pod"), ("pod", "job", "run"), ("job", "run", "pod")])
def test_nothing_is_kept_of_a_deleted_run(order: tuple[str, ...]) -> None:
    store = Store()
    store.observe_run(a_run())
    store.observe_job(job())
    store.observe_pod(pod())
    for kind in order:
        if kind == "run":
            store.observe_run(a_run(), deleted=True)
        elif kind == "job":
            store.observe_job(job(), deleted=True)
        else:
            store.observe_pod(pod(phase="Failed"), deleted=True)
    store.observe_job(job("late"))
    store.observe_pod(pod("late"))
    remembered = {name: value for name, value in vars(store).items() if name != "_deleted" and value}
    assert remembered == {}


def test_a_run_that_was_made_meanwhile_is_not_forgotten_with_the_one_before_it() -> None:
    store = Store()
    store.observe_run(a_run())
    store.forget_run(KEY, "the-one-before")
    assert store.run(KEY) is not None


def test_a_job_keeps_only_a_few_deleted_pods() -> None:
    store = Store()
    for number in range(20):
        store.observe_pod(pod(f"pod-{number:02}"), deleted=True)
    assert len(store.pods_of(UID)) == 5


def test_a_live_list_is_the_truth_about_the_pods_that_were_known_before_it() -> None:
    store = Store()
    store.observe_pod(pod("listed"))
    store.observe_pod(pod("missing"))
    known_before = store.pods_of(UID)
    store.observe_pod(pod("younger"))
    store.replace_pods(known_before, [pod("listed", version="7", phase="Succeeded"), pod("new")])
    assert seen_pods(store) == {
        "listed": ("Succeeded", False),
        "missing": ("Running", True),
        "younger": ("Running", False),
        "new": ("Running", False),
    }


def test_a_pod_that_was_deleted_during_the_call_is_not_brought_back_by_its_list() -> None:
    store = Store()
    store.observe_pod(pod())
    known_before = store.pods_of(UID)
    store.observe_pod(pod(version="6", phase="Failed"), deleted=True)
    store.replace_pods(known_before, [pod(version="5")])
    assert seen_pods(store) == {"pod-1": ("Failed", True)}


def test_what_is_not_needed_is_not_kept() -> None:
    store = Store()
    body = a_run()
    body["metadata"] |= {"managedFields": [{}] * 100, "annotations": {"kubectl": "x" * 1000}}
    store.observe_run(body)
    run = store.run(KEY)
    assert run is not None
    assert not {"managedFields", "annotations"} & set(run["metadata"])


def test_the_worlds_objects_are_read_like_the_clusters() -> None:
    world, store = World(), Store()
    world.visits()
    world.worker_runs()
    store.observe_job(world.job)
    store.observe_pod(world.pod)
    (seen,) = store.jobs_of(UID)
    assert (seen.run_name, seen.finished) == ("tables", False)
    assert store.pods_of(UID)[0].running


def test_of_each_shard_the_last_pods_that_are_gone_are_remembered() -> None:
    store = Store()
    for index in ("0", "1"):
        for number in range(8):
            store.observe_pod(pod(f"pod-{index}-{number}", phase="Failed", index=index), deleted=True)
    assert set(seen_pods(store)) == {f"pod-{index}-{number}" for index in "01" for number in range(3, 8)}


def test_an_index_that_is_no_number_is_none() -> None:
    store = Store()
    store.observe_pod(pod(index="first"))
    assert [each.index for each in store.pods_of(UID)] == [None]


@pytest.mark.parametrize(("text", "indexes"), [("", set()), ("1", {1}), ("0,2-4,63", {0, 2, 3, 4, 63}), (None, set())])
def test_the_indexes_of_a_sharded_job_are_read(text: str | None, indexes: set[int]) -> None:
    store = Store()
    body = job(completedIndexes=text, failedIndexes=text)
    body["spec"] = {"completionMode": "Indexed", "completions": 64}
    store.observe_job(body)
    (found,) = store.jobs_of(UID)
    assert (found.shards, found.completed_indexes, found.failed_indexes) == (64, indexes, indexes)
