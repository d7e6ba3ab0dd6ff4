"""kopf as a plain watcher."""

from __future__ import annotations

import kopf
import pytest
from kopf._cogs.structs.references import Resource

from trainingrun_operator import handlers
from trainingrun_operator.store import Key, Store


@pytest.fixture
def settings() -> kopf.OperatorSettings:
    found = kopf.OperatorSettings()
    handlers.configure(found)
    return found


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


def test_only_event_handlers_are_registered() -> None:
    registry = kopf.OperatorRegistry()
    handlers.register(registry, Store(), lambda _: None)
    assert len(registry._watching.get_all_handlers()) == 3
    for kind in ("_indexing", "_spawning", "_changing"):
        assert getattr(registry, kind).get_all_handlers() == [], f"{kind} patches objects"


async def test_an_event_is_remembered_and_its_run_becomes_due() -> None:
    registry, store, due = kopf.OperatorRegistry(), Store(), list[Key]()
    handlers.register(registry, store, due.append)
    meta = {"name": "j", "namespace": "demo", "uid": "j", "labels": {"training.badgerdoc.dev/run": "tables"}}
    for handler in registry._watching.get_all_handlers():
        await handler.fn(event={"type": "ADDED", "object": {"metadata": meta, "spec": {}}})
    assert due == [Key("demo", "j"), Key("demo", "tables"), Key("demo", "tables")]
    assert store.job_named("demo", "j") is not None
    for handler in registry._watching.get_all_handlers():
        await handler.fn(event={"type": "DELETED", "object": {"metadata": meta, "spec": {}}})
    assert store.job_named("demo", "j") is None
    assert store.run(Key("demo", "j")) is None
