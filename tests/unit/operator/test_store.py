"""What the store remembers, and of whom."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.world import UID, World, a_run
from trainingrun_operator.store import Key, Store

KEY = Key("demo", "tables")


def job(uid: str = "job-1", *, owner: str | None = UID, version: str = "5", **status: Any) -> dict[str, Any]:
    refs = [{"uid": owner, "controller": True}] if owner else []
    labels = {"training.badgerdoc.dev/run": "tables", "training.badgerdoc.dev/attempt": "1"}
    meta = {"name": f"name-of-{uid}", "namespace": "demo", "uid": uid, "ownerReferences": refs, "labels": labels}
    return {"metadata": {**meta, "resourceVersion": version}, "spec": {}, "status": status}


def pod(uid: str = "pod-1", *, owner: str = "job-1", version: str = "5", phase: str = "Running") -> dict[str, Any]:
    meta = {"name": uid, "namespace": "demo", "uid": uid, "ownerReferences": [{"uid": owner, "controller": True}]}
    return {
        "metadata": {**meta, "resourceVersion": version, "labels": {"training.badgerdoc.dev/run": "tables"}},
        "status": {"phase": phase},
    }


def test_a_child_leads_to_its_run() -> None:
    store = Store()
    assert store.see_run(a_run()) == KEY
    assert store.see_job(job()) == KEY
    assert store.see_pod(pod()) == KEY


def test_only_the_owners_uid_makes_a_job_a_child() -> None:
    store = Store()
    store.see_job(job("mine"))
    store.see_job(job("forged", owner=None))
    store.see_job(job("of-another", owner="another"))
    assert [each.uid for each in store.jobs_of(UID)] == ["mine"]
    assert store.job_named("demo", "name-of-forged") is not None


def test_an_owner_that_is_not_the_controller_is_no_owner() -> None:
    store = Store()
    body = job()
    body["metadata"]["ownerReferences"] = [{"uid": UID}]
    store.see_job(body)
    assert store.jobs_of(UID) == ()


def test_an_older_version_never_replaces_a_newer_one() -> None:
    store = Store()
    newer, older = a_run(suspend=True), a_run()
    newer["metadata"]["resourceVersion"], older["metadata"]["resourceVersion"] = "100", "99"
    store.see_run(newer)
    store.see_run(older)
    run = store.run(KEY)
    assert run is not None
    assert run["spec"]["suspend"] is True


def test_a_run_of_the_same_name_replaces_a_deleted_one_whatever_its_version() -> None:
    store = Store()
    old, new = a_run(), a_run()
    old["metadata"]["resourceVersion"] = "100"
    new["metadata"] |= {"uid": "new", "resourceVersion": "99"}
    store.see_run(old)
    store.see_run(new)
    store.see_run(old, deleted=True)
    run = store.run(KEY)
    assert run is not None
    assert run["metadata"]["uid"] == "new"


def test_a_late_read_does_not_bring_a_deleted_object_back() -> None:
    store = Store()
    store.see_job(job())
    store.see_job(job(), deleted=True)
    store.see_job(job(version="4"))
    assert store.jobs_of(UID) == ()
    store.see_run(a_run())
    store.see_run(a_run(), deleted=True)
    store.see_run(a_run())
    assert store.run(KEY) is None


def test_the_last_sight_of_a_deleted_pod_is_kept_as_long_as_its_job() -> None:
    store = Store()
    store.see_job(job())
    store.see_pod(pod())
    store.see_pod(pod(version="6", phase="Failed"), deleted=True)
    (seen,) = store.pods(("job-1",))
    assert (seen.gone, seen.phase) == (True, "Failed")
    store.see_job(job(), deleted=True)
    assert store.pods(("job-1",)) == ()
    assert store.pod("pod-1") is None


def test_a_job_keeps_only_a_few_deleted_pods() -> None:
    store = Store()
    for number in range(20):
        store.see_pod(pod(f"pod-{number:02}"), deleted=True)
    assert len(store.pods(("job-1",))) == 5


def test_a_live_list_is_the_whole_truth_about_the_pods() -> None:
    store = Store()
    store.see_pod(pod("listed"))
    store.see_pod(pod("missing"))
    store.pods_are(["job-1"], [pod("listed", version="7", phase="Succeeded"), pod("new")])
    assert {each.uid: (each.phase, each.gone) for each in store.pods(("job-1",))} == {
        "listed": ("Succeeded", False),
        "missing": ("Running", True),
        "new": ("Running", False),
    }


def test_what_is_not_needed_is_not_kept() -> None:
    store = Store()
    body = a_run()
    body["metadata"] |= {"managedFields": [{}] * 100, "annotations": {"kubectl": "x" * 1000}}
    store.see_run(body)
    run = store.run(KEY)
    assert run is not None
    assert not {"managedFields", "annotations"} & set(run["metadata"])


def test_the_worlds_objects_are_read_like_the_clusters() -> None:
    world, store = World(), Store()
    world.visits()
    world.worker_runs()
    store.see_job(world.job)
    store.see_pod(world.pod)
    (seen,) = store.jobs_of(UID)
    assert (seen.stage, seen.attempt, seen.finished) == ("preprocess", 1, False)
    assert store.pods((seen.uid,))[0].running
