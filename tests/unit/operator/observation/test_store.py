"""What the store remembers, and of whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import INDEX, UID, World, a_run
from trainingrun_operator.core.errors import UnreadableError
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store

KEY = Key("demo", "tables")


def job(
    uid: str = "job-1", *, owner: str | None = UID, run: str = UID, version: str = "5", **status: Any
) -> dict[str, Any]:
    refs = [{"uid": owner, "controller": True}] if owner else []
    labels = {"training.badgerdoc.dev/run-uid": run} if run else {}
    meta = {"name": f"name-of-{uid}", "namespace": "demo", "uid": uid, "ownerReferences": refs, "labels": labels}
    return {"metadata": {**meta, "resourceVersion": version}, "spec": {}, "status": status}


def pod(
    uid: str = "pod-1",
    *,
    owner: str = "job-1",
    run: str = UID,
    version: str = "5",
    phase: str = "Running",
    index: str = "",
) -> dict[str, Any]:
    labels = {"training.badgerdoc.dev/run-uid": run, INDEX: index}
    meta = {"name": uid, "namespace": "demo", "uid": uid, "ownerReferences": [{"uid": owner, "controller": True}]}
    return {"metadata": {**meta, "resourceVersion": version, "labels": labels}, "status": {"phase": phase}}


def run_at(version: int, *, uid: str = UID, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    body = {**a_run(**spec), "status": status or {}}
    body["metadata"] |= {"uid": uid, "resourceVersion": str(version)}
    return body


@pytest.fixture
def store() -> Store:
    """One that knows the run."""
    found = Store()
    found.observe_run(run_at(1))
    return found


def seen_pods(store: Store) -> dict[str, tuple[str, bool]]:
    return {each.uid: (each.phase, each.gone) for each in store.pods_of(UID)}


def children(store: Store) -> dict[str, Any]:
    """All that is remembered of Jobs and pods."""
    names = ("_jobs", "_pods", "_jobs_by_run", "_job_by_name", "_pods_by_run")
    return {name: vars(store)[name] for name in names if vars(store)[name]}


def test_a_child_leads_to_its_run(store: Store) -> None:
    assert store.observe_run(run_at(2)) == KEY
    assert store.observe_job(job()) == KEY
    assert store.observe_pod(pod()) == KEY


def test_only_the_owners_uid_makes_a_job_a_child(store: Store) -> None:
    store.observe_job(job("mine"))
    store.observe_job(job("forged", owner=None))
    store.observe_job(job("of-another", owner="another"))
    assert [each.uid for each in store.jobs_of(UID)] == ["mine"]
    assert store.job_named("demo", "name-of-forged") is not None


def test_an_owner_that_is_not_the_controller_is_no_owner(store: Store) -> None:
    body = job()
    body["metadata"]["ownerReferences"] = [{"uid": UID}]
    store.observe_job(body)
    assert store.jobs_of(UID) == ()


def test_a_job_that_has_lost_its_label_is_still_its_owners(store: Store) -> None:
    assert store.observe_job(job(run="")) == KEY
    assert [each.uid for each in store.jobs_of(UID)] == ["job-1"]


def test_jobs_and_pods_of_runs_that_nobody_knows_are_not_kept(store: Store) -> None:
    for number in range(100):
        assert store.observe_job(job(f"job-{number}", owner="nobody", run="nobody")) is None
        assert store.observe_pod(pod(f"pod-{number}", run="nobody")) is None
        assert store.observe_pod(pod(f"pod-{number}", run="nobody"), deleted=True) is None
    assert children(store) == {}


def test_an_older_version_never_replaces_a_newer_one(store: Store) -> None:
    store.observe_run(run_at(100, suspend=True))
    assert store.observe_run(run_at(99)) is None
    run = store.run(KEY)
    assert run is not None
    assert run.spec.suspend is True
    assert run.resource_version == "100"


def test_what_is_known_already_is_no_news(store: Store) -> None:
    assert store.observe_run(run_at(1)) is None
    store.observe_job(job())
    store.observe_pod(pod())
    assert store.observe_job(job(version="6")) is None, "nothing that matters has changed"
    assert store.observe_pod(pod(version="6")) is None
    assert store.observe_pod(pod(version="7", phase="Succeeded")) == KEY
    assert store.observe_job(job(version="7", conditions=[{"type": "Complete", "status": "True"}])) == KEY


def test_a_version_that_is_known_is_not_read_again(store: Store) -> None:
    store.observe_run(run_at(2, status={"phase": "Pending"}))
    known = store.run(KEY)
    assert store.observe_run(run_at(2, status={"phase": "Pending"})) is None
    assert store.run(KEY) is known


def test_a_run_of_the_same_name_replaces_a_deleted_one_whatever_its_version(store: Store) -> None:
    store.observe_run(run_at(100))
    store.observe_job(job())
    store.observe_run(run_at(99, uid="new"))
    store.observe_run(run_at(101), deleted=True)
    run = store.run(KEY)
    assert run is not None
    assert run.uid == "new"
    assert children(store) == {}


def test_an_answer_to_a_write_does_not_bring_a_deleted_run_back(store: Store) -> None:
    store.observe_run(run_at(2), deleted=True)
    store.observe_answer(run_at(2))
    assert store.run(KEY) is None


def test_the_last_sight_of_a_deleted_pod_is_kept(store: Store) -> None:
    store.observe_pod(pod())
    assert store.observe_pod(pod(version="6", phase="Failed"), deleted=True) == KEY
    store.observe_pod(pod(version="5"))
    assert seen_pods(store) == {"pod-1": ("Failed", True)}


@pytest.mark.parametrize("order", [("run", "job", "pod"), ("pod", "job", "run"), ("job", "run", "pod")])
def test_nothing_is_kept_of_a_deleted_run(store: Store, order: tuple[str, ...]) -> None:
    store.observe_job(job())
    store.observe_pod(pod())
    for kind in order:
        if kind == "run":
            assert store.observe_run(run_at(6), deleted=True) == KEY
        elif kind == "job":
            store.observe_job(job(), deleted=True)
        else:
            store.observe_pod(pod(phase="Failed"), deleted=True)
    store.observe_job(job("late"))
    store.observe_pod(pod("late"))
    assert children(store) == {}
    assert store.active_runs() == ()
    assert store.run(KEY) is None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_of_a_run_that_is_over_only_that_is_kept(store: Store, phase: str) -> None:
    store.observe_job(job())
    store.observe_pod(pod())
    assert store.observe_run(run_at(9, status={"phase": phase})) == KEY
    store.observe_job(job("late", version="10"))
    store.observe_pod(pod("late", version="10"))
    assert children(store) == {}
    assert store.active_runs() == ()
    assert store.run(KEY) is None
    assert store.is_over(KEY)


def test_a_run_that_was_made_meanwhile_is_not_forgotten_with_the_one_before_it(store: Store) -> None:
    store.forget_run(KEY, "the-one-before")
    assert store.run(KEY) is not None


def test_a_job_keeps_only_a_few_deleted_pods(store: Store) -> None:
    for number in range(20):
        store.observe_pod(pod(f"pod-{number:02}"), deleted=True)
    assert len(store.pods_of(UID)) == 5


def test_a_live_read_is_the_truth_about_the_pods_that_were_known_before_it(store: Store) -> None:
    store.observe_pod(pod("listed"))
    store.observe_pod(pod("missing"))
    known_before = store.pods_of(UID)
    store.observe_pod(pod("younger"))
    store.pods_are(known_before, [pod("listed", version="7", phase="Succeeded"), pod("new")])
    assert seen_pods(store) == {
        "listed": ("Succeeded", False),
        "missing": ("Running", True),
        "younger": ("Running", False),
        "new": ("Running", False),
    }


def test_a_pod_that_was_deleted_during_the_call_is_not_brought_back_by_its_list(store: Store) -> None:
    store.observe_pod(pod())
    known_before = store.pods_of(UID)
    store.observe_pod(pod(version="6", phase="Failed"), deleted=True)
    store.pods_are(known_before, [pod(version="5")])
    assert seen_pods(store) == {"pod-1": ("Failed", True)}


def test_what_is_not_needed_is_not_kept(store: Store) -> None:
    body = run_at(2)
    body["metadata"] |= {"managedFields": [{"x": "y" * 1000}] * 100, "annotations": {"kubectl": "x" * 1000}}
    store.observe_run(body)
    kept = store._runs[KEY].body
    assert kept is not None
    assert len(kept) < 1000


def test_a_run_that_can_not_be_read_says_so(store: Store) -> None:
    store.observe_run(run_at(2, status={"phase": "Hibernating"}))
    with pytest.raises(UnreadableError, match="demo/tables can't be read"):
        store.run(KEY)


def test_the_worlds_objects_are_read_like_the_clusters(store: Store) -> None:
    world = World()
    world.visits()
    world.worker_runs()
    store.observe_job(world.job)
    store.observe_pod(world.pod)
    (seen,) = store.jobs_of(UID)
    assert (seen.run_uid, seen.finished) == (UID, False)
    (worker,) = store.pods_of(UID)
    assert (worker.running, worker.stage, worker.attempt) == (True, "preprocess", "1")


def test_of_each_shard_the_last_pods_that_are_gone_are_remembered(store: Store) -> None:
    for index in ("0", "1"):
        for number in range(8):
            store.observe_pod(pod(f"pod-{index}-{number}", phase="Failed", index=index), deleted=True)
    assert set(seen_pods(store)) == {f"pod-{index}-{number}" for index in "01" for number in range(3, 8)}


def test_an_index_that_is_no_number_is_none(store: Store) -> None:
    store.observe_pod(pod(index="first"))
    assert [each.index for each in store.pods_of(UID)] == [None]


@pytest.mark.parametrize(("text", "indexes"), [("", set()), ("1", {1}), ("0,2-4,63", {0, 2, 3, 4, 63}), (None, set())])
def test_the_indexes_of_a_sharded_job_are_read(store: Store, text: str | None, indexes: set[int]) -> None:
    body = job(completedIndexes=text, failedIndexes=text)
    body["spec"] = {"completionMode": "Indexed", "completions": 64}
    store.observe_job(body)
    (found,) = store.jobs_of(UID)
    assert (found.shards, found.completed_indexes, found.failed_indexes) == (64, indexes, indexes)
