"""kopf as a plain watcher."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import islice
from typing import Any
from unittest.mock import Mock

import kopf
import pytest
from kopf._cogs.structs.references import Resource

from tests.support.operator.workloads import a_workload, pending
from tests.support.operator.world import UID, a_run
from trainingrun_operator import handlers
from trainingrun_operator.kueue.workloads import Workloads
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store

CHILD: dict[str, Any] = {
    "metadata": {
        "name": "child",
        "namespace": "demo",
        "uid": "child",
        "labels": {"training.badgerdoc.dev/run-uid": UID},
        "ownerReferences": [{"uid": UID, "controller": True}],
    },
    "spec": {},
}


@pytest.fixture
def settings() -> kopf.OperatorSettings:
    found = kopf.OperatorSettings()
    handlers.configure(found)
    return found


def test_a_watch_is_tried_again_within_seconds_however_long_the_api_server_was_away(
    settings: kopf.OperatorSettings,
) -> None:
    backoffs = settings.networking.error_backoffs
    assert isinstance(backoffs, Iterable)
    for _ in range(2):  # each call begins anew
        found = list(islice(backoffs, 1000))
        assert found[:3] == [0.5, 1.0, 2.0]
        assert 3.0 <= min(found[3:]) < max(found[3:]) <= 5.0


@pytest.mark.parametrize(("group", "plural"), [("batch", "jobs"), ("", "pods")])
def test_jobs_and_pods_are_filtered_on_the_server(settings: kopf.OperatorSettings, group: str, plural: str) -> None:
    # What kopf puts into the query: a selector under a wrong key would match nothing, silently.
    found = settings.watching.label_selectors.collect(Resource(group, "v1", plural))
    assert found == ["training.badgerdoc.dev/run-uid"]


def test_training_runs_are_not_filtered(settings: kopf.OperatorSettings) -> None:
    resource = Resource("training.badgerdoc.dev", "v1alpha1", "trainingruns")
    assert settings.watching.label_selectors.collect(resource) == []


def test_kopf_neither_scans_nor_peers_nor_limits_its_workers(settings: kopf.OperatorSettings) -> None:
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert settings.queueing.worker_limit is None
    assert not settings.posting.enabled


def test_kopf_copies_no_object_and_writes_none(settings: kopf.OperatorSettings) -> None:
    stored, patch = settings.persistence, kopf.Patch()
    body = kopf.Body({"metadata": {"name": "tables", "annotations": {"kopf.zalando.org/last": "{}"}}, "spec": {"a": 1}})
    assert stored.diffbase_storage.build(body=body, extra_fields=[("spec",)]) == {}
    assert stored.diffbase_storage.fetch(body=body) is None
    stored.progress_storage.touch(body=body, patch=patch, value="now")
    assert patch == {}


def test_only_event_handlers_are_registered() -> None:
    registry = kopf.OperatorRegistry()
    handlers.register(registry, Store(), Mock())
    assert len(registry._watching.get_all_handlers()) == 3
    for kind in ("_indexing", "_spawning", "_changing"):
        assert getattr(registry, kind).get_all_handlers() == [], f"{kind} patches objects"


async def test_an_event_is_remembered_and_its_run_becomes_due() -> None:
    registry, store, due = kopf.OperatorRegistry(), Store(), list[tuple[Key, bool]]()

    def enqueue(key: Key, *, urgent: bool) -> None:
        due.append((key, urgent))

    handlers.register(registry, store, enqueue)
    on_run, on_job, on_pod = (handler.fn for handler in registry._watching.get_all_handlers())
    job, pod = copy.deepcopy(CHILD), copy.deepcopy(CHILD)
    await on_run(event={"type": None, "object": a_run()})
    await on_job(event={"type": "ADDED", "object": job})
    await on_pod(event={"type": "ADDED", "object": pod})
    key = Key("demo", "tables")
    assert due == [(key, False), (key, True), (key, True)], "what was there before can wait"
    await on_job(event={"type": "MODIFIED", "object": job})
    assert len(due) == 3, "nothing has changed"
    assert store.job_named("demo", "child") is not None
    for handler, thing in ((on_pod, pod), (on_job, job), (on_run, a_run())):
        await handler(event={"type": "DELETED", "object": thing})
    assert due[3:] == [(key, True)] * 3
    assert store.job_named("demo", "child") is None
    assert store.run(key) is None


async def test_kueues_workloads_are_watched_in_the_version_that_is_served(settings: kopf.OperatorSettings) -> None:
    registry, store, due = kopf.OperatorRegistry(), Store(), list[Key]()
    workloads = Workloads(store)
    store.observe_run(a_run())
    store.observe_job(CHILD)

    def enqueue(key: Key, *, urgent: bool) -> None:
        due.append(key)

    handlers.register_workloads(registry, settings, "v1beta1", workloads, enqueue)
    (on_workload,) = (handler.fn for handler in registry._watching.get_all_handlers())
    await on_workload(event={"type": "ADDED", "object": a_workload(CHILD, conditions=pending())})
    assert due == [Key("demo", "tables")]
    found = settings.watching.label_selectors.collect(Resource("kueue.x-k8s.io", "v1beta1", "workloads"))
    assert found == ["kueue.x-k8s.io/job-uid"]
