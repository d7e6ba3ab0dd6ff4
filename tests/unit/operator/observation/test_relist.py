# ruff: noqa: ARG002  (the arguments are the port's)
"""Lists put the store right, whatever the watches have shown or missed."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.support.operator.world import UID, a_run
from trainingrun_operator.api.cluster import Page
from trainingrun_operator.core.errors import TransientError
from trainingrun_operator.core.names import Kind
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.relist import Relister
from trainingrun_operator.observation.store import Store

KEY = Key("demo", "tables")
Object = dict[str, Any]


def child(uid: str, **status: Any) -> Object:
    labels = {"training.badgerdoc.dev/run-uid": UID}
    owner = {"uid": UID, "controller": True}
    meta = {"name": uid, "namespace": "demo", "uid": uid, "labels": labels, "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {}, "status": status}


class Etcd:
    """Objects with versions, a cache before it that may lag, and a watch that may lose events."""

    def __init__(self, *, page: int = 2) -> None:
        self.store = Store()
        self.due: list[Key] = []
        self.version = 1
        self.content: dict[Kind, dict[str, Object]] = {kind: {} for kind in Kind}
        self.cache: tuple[int, dict[Kind, dict[str, Object]]] | None = None
        self.asked: list[tuple[Kind, bool]] = []
        self.while_listing: Callable[[], None] = lambda: None
        self.fails: list[Exception] = []
        self.slept: list[float] = []
        self._page = page
        self.relister = Relister(
            self, self.store, namespaces=(), interval_s=300.0, enqueue=self.due.append, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def put(self, kind: Kind, body: Object, *, seen: bool = True) -> None:
        self.version += 1
        stored = copy.deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.content[kind][stored["metadata"]["uid"]] = stored
        if seen:
            self._observe(kind)(stored)

    def delete(self, kind: Kind, uid: str, *, seen: bool = True) -> None:
        stored = self.content[kind].pop(uid, None)
        if stored is None:
            return
        self.version += 1
        stored["metadata"]["resourceVersion"] = str(self.version)
        if seen:
            self._observe(kind)(stored, deleted=True)

    def _observe(self, kind: Kind) -> Callable[..., Key | None]:
        return {
            Kind.RUN: self.store.observe_run,
            Kind.JOB: self.store.observe_job,
            Kind.POD: self.store.observe_pod,
        }[kind]

    def remembers(self) -> tuple[int, dict[Kind, dict[str, Object]]]:
        return self.version, copy.deepcopy(self.content)

    async def list_page(self, kind: Kind, namespace: str | None, *, cached: bool, next_page: str = "") -> Page:
        self.asked.append((kind, cached))
        if self.fails:
            raise self.fails.pop(0)
        version, content = self.cache if cached and self.cache else self.remembers()
        start = int(next_page or 0)
        items = list(content[kind].values())[start : start + self._page]
        more = start + self._page < len(content[kind])
        self.while_listing()
        return Page(items=items, version=str(version), next_page=str(start + self._page) if more else "")

    def seen(self) -> dict[str, set[str]]:
        run = self.store.run(KEY)
        return {
            "runs": {run.uid} if run else set(),
            "jobs": {job.uid for job in self.store.jobs_of(UID)},
            "pods": {pod.uid for pod in self.store.pods_of(UID) if not pod.gone},
        }


async def test_before_the_first_visit_everything_is_known_page_by_page() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run(), seen=False)
    for number in range(5):
        etcd.put(Kind.JOB, child(f"job-{number}"), seen=False)
        etcd.put(Kind.POD, child(f"pod-{number}", phase="Running"), seen=False)
    await etcd.relister.first()
    assert etcd.seen() == {
        "runs": {UID},
        "jobs": {f"job-{number}" for number in range(5)},
        "pods": {f"pod-{number}" for number in range(5)},
    }
    assert set(etcd.due) == {KEY}


async def test_the_first_lists_are_of_etcd_itself_and_later_ones_may_be_of_the_cache() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run(), seen=False)
    etcd.cache = etcd.remembers()
    etcd.put(Kind.RUN, {**a_run(), "status": {"phase": "Training"}}, seen=False)
    await etcd.relister.first()
    assert etcd.store.phases() == {"Training": 1}
    assert not any(cached for _, cached in etcd.asked)
    etcd.asked.clear()
    await etcd.relister.round()
    assert etcd.asked[0] == (Kind.RUN, True)


async def test_nothing_is_decided_before_a_round_of_lists_was_read_to_its_end() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run(), seen=False)
    etcd.fails = [TransientError("down"), TransientError("down")]
    await etcd.relister.first()
    assert etcd.slept == [3.0, 3.0]
    assert etcd.seen()["runs"] == {UID}


async def test_what_the_watch_has_missed_is_made_up_for_and_its_run_is_due() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.put(Kind.JOB, child("job-1"))
    etcd.put(Kind.POD, child("pod-1", phase="Running"))
    etcd.delete(Kind.JOB, "job-1", seen=False)
    etcd.delete(Kind.POD, "pod-1", seen=False)
    etcd.put(Kind.JOB, child("job-2"), seen=False)
    await etcd.relister.round()
    assert etcd.seen() == {"runs": {UID}, "jobs": {"job-2"}, "pods": set()}
    assert [(pod.phase, pod.gone) for pod in etcd.store.pods_of(UID)] == [("Running", True)], "its last sight is kept"
    assert set(etcd.due) == {KEY}
    etcd.due.clear()
    await etcd.relister.round()
    assert etcd.due == [], "nothing is new"


async def test_a_run_whose_deletion_the_watch_missed_is_forgotten_with_its_children() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.put(Kind.JOB, child("job-1"))
    etcd.delete(Kind.RUN, UID, seen=False)
    await etcd.relister.round()
    assert etcd.seen() == {"runs": set(), "jobs": set(), "pods": set()}
    assert etcd.due == [KEY]


async def test_an_object_that_was_called_gone_is_taken_up_again_when_it_is_there() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.store.forget_run(KEY, UID)
    await etcd.relister.round()
    assert etcd.seen()["runs"] == {UID}


async def test_what_appears_while_the_list_is_read_stays() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.while_listing = lambda: etcd.put(Kind.JOB, child("job-late"))
    await etcd.relister.round()
    assert etcd.seen()["jobs"] == {"job-late"}


async def test_what_is_deleted_while_the_list_is_read_is_not_brought_back() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.put(Kind.JOB, child("job-1"))
    etcd.while_listing = lambda: etcd.delete(Kind.JOB, "job-1")
    await etcd.relister.round()
    assert etcd.seen()["jobs"] == set()


async def test_a_cache_that_lags_is_not_believed() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.put(Kind.JOB, child("job-old"))
    etcd.cache = etcd.remembers()
    etcd.delete(Kind.JOB, "job-old")
    etcd.put(Kind.JOB, child("job-new"))
    await etcd.relister.round()
    assert etcd.seen()["jobs"] == {"job-new"}
    assert (Kind.JOB, False) in etcd.asked


async def test_after_a_restore_of_etcd_its_content_holds_although_it_is_older() -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    etcd.put(Kind.JOB, child("job-kept"))
    backup = etcd.remembers()
    etcd.put(Kind.RUN, {**a_run(suspend=True)})
    etcd.put(Kind.JOB, child("job-undone"))
    etcd.put(Kind.POD, child("pod-undone", phase="Running"))
    etcd.version, etcd.content = backup
    await etcd.relister.round()
    run = etcd.store.run(KEY)
    assert run is not None
    assert run.spec.suspend is False
    assert etcd.seen() == {"runs": {UID}, "jobs": {"job-kept"}, "pods": set()}
    etcd.put(Kind.RUN, {**a_run(suspend=True)})
    run = etcd.store.run(KEY)
    assert run is not None
    assert run.spec.suspend is True, "events count again"
    etcd.asked.clear()
    await etcd.relister.round()
    assert all(cached for _, cached in etcd.asked)


async def test_a_list_that_breaks_off_takes_nothing_away() -> None:
    etcd = Etcd(page=1)
    etcd.put(Kind.RUN, a_run())
    for number in range(3):
        etcd.put(Kind.JOB, child(f"job-{number}"))
    etcd.while_listing = lambda: etcd.fails.append(TransientError("the continue token has expired"))
    assert await etcd.relister.round() is False
    assert etcd.seen()["jobs"] == {f"job-{number}" for number in range(3)}


async def test_only_the_namespaces_that_are_watched_are_listed_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    asked: list[str | None] = []

    async def nothing(kind: Kind, namespace: str | None, **_: Any) -> Page:
        asked.append(namespace)
        return Page(items=[], version=str(etcd.version), next_page="")

    monkeypatch.setattr(etcd, "list_page", nothing)
    relister = Relister(
        etcd, etcd.store, namespaces=("other", "third"), interval_s=1.0, enqueue=etcd.due.append, sleep=etcd._sleep
    )
    await relister.round()
    assert set(asked) == {"other", "third"}
    assert etcd.seen()["runs"] == {UID}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "cache", "list", "restore", "backup"]),
        st.sampled_from([Kind.JOB, Kind.POD]),
        st.sampled_from(["a", "b", "c"]),
        st.booleans(),
    ),
    max_size=25,
)


async def _lives(steps: list[tuple[str, Kind, str, bool]]) -> Etcd:
    etcd = Etcd()
    etcd.put(Kind.RUN, a_run())
    backup = etcd.remembers()
    for step, kind, uid, seen in steps:
        if step == "put":
            etcd.put(kind, child(uid, phase="Running"), seen=seen)
        elif step == "delete":
            etcd.delete(kind, uid, seen=seen)
        elif step == "backup":
            backup = etcd.remembers()
        elif step == "restore":
            etcd.version, etcd.content = backup[0], copy.deepcopy(backup[1])
            etcd.cache = None
        elif step == "cache":
            etcd.cache = etcd.remembers()
        else:
            await etcd.relister.round()
    etcd.cache = None
    etcd.version += 1  # of something else in etcd
    await etcd.relister.round()
    return etcd


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_after_a_round_the_store_is_what_etcd_holds_whatever_was_missed(
    steps: list[tuple[str, Kind, str, bool]],
) -> None:
    etcd = asyncio.run(_lives(steps))
    assert etcd.seen()["jobs"] == set(etcd.content[Kind.JOB])
    assert etcd.seen()["pods"] == set(etcd.content[Kind.POD])
