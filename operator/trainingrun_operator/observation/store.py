"""The objects as last seen, from watches, lists and answers to writes. All methods belong to one event loop.

Labels lead to a run quickly; only the controller reference's UID proves that a Job or a pod belongs to it. Of a run
that is over nothing is kept but that it is, and of Jobs and pods only those of other runs.

Watches make it fast and lists make it right: what a list has is there, and what it lacks is gone, unless it is newer
than the list. Versions are compared as numbers, which etcd's revisions are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import ValidationError

from trainingrun_operator.core.errors import UnreadableError
from trainingrun_operator.core.lifetime.leftovers import Leftovers
from trainingrun_operator.core.lifetime.ttl import deletion_time
from trainingrun_operator.core.names import LABEL_RUN, Kind
from trainingrun_operator.core.observed import JobView, PodView, view_job, view_pod
from trainingrun_operator.core.places import Claim, Places, claim_of
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase
from trainingrun_operator.observation.listing import ANY_VERSION, Key, Listing, version_of

Object = Mapping[str, Any]
# Of a Job, or of each shard of it: how a shard ended may be known from no other pod.
_GONE_PODS = 5
_NO_VERSION = -1.0
# The runs that were visited last are likely to be visited next.
_PARSED_RUNS = 128
_USED_METADATA = (
    *("name", "namespace", "uid", "generation", "resourceVersion", "labels", "deletionTimestamp"),
    "finalizers",
)


class _StoredRun(NamedTuple):
    """A run as JSON, a tenth of what it takes as objects; no JSON once it is over."""

    uid: str
    version: int
    phase: str
    body: bytes | None
    delete_at: datetime | None = None


class OverRun(NamedTuple):
    """All that is kept of a run that is over: which version of it, and when it is to be deleted, if ever."""

    uid: str
    resource_version: str
    delete_at: datetime | None


@lru_cache(maxsize=_PARSED_RUNS)
def _parse(body: bytes) -> Run:
    return Run.parse(json.loads(body))


class Store:
    """Runs as JSON, Jobs and pods as the few facts that decisions need."""

    def __init__(self, *, wake: Callable[[Key], None] = lambda _: None) -> None:
        """`wake` is called for each run that may go on by what another one has become."""
        self._wake = wake
        self.places = Places()
        self._runs: dict[Key, _StoredRun] = {}
        self._active: dict[str, Key] = {}
        self._jobs: dict[str, JobView] = {}
        self._pods: dict[str, PodView] = {}
        self._jobs_by_run: dict[str, set[str]] = {}
        self._job_by_name: dict[tuple[str, str], str] = {}
        self._pods_by_run: dict[str, set[str]] = {}
        self.leftovers: Leftovers[Key] = Leftovers()
        self._highest = dict.fromkeys(Kind, 0)
        self._listings: list[Listing] = []

    # -- remembering

    def observe_run(self, body: Object, *, deleted: bool = False) -> Key | None:
        """Remembers a TrainingRun; answers its key where that is news."""
        meta = body["metadata"]
        key, uid, version = Key(meta["namespace"], meta["name"]), meta["uid"], version_of(meta.get("resourceVersion"))
        self._note(Kind.RUN, uid, version, deleted=deleted)
        if deleted:
            return key if self.forget_run(key, uid) else None
        return key if self._put_run(key, body, version, replaces_up_to=_NO_VERSION) else None

    def observe_answer(self, body: Object) -> None:
        """Remembers the run that a write to it was answered with, unless it was deleted meanwhile."""
        if body["metadata"]["uid"] in self._active:
            self.observe_run(body)

    def observe_job(self, body: Object, *, deleted: bool = False) -> Key | None:
        """Remembers a Job; answers whose visit is due, where that is news."""
        job = view_job(body)
        self._note(Kind.JOB, job.uid, version_of(job.resource_version), deleted=deleted)
        if deleted:
            key = self._run_of(job)
            return key if self.forget_job(job.uid) else None
        return self._take_job(job, body, replaces_up_to=_NO_VERSION)

    def observe_pod(self, body: Object, *, deleted: bool = False) -> Key | None:
        """Remembers a pod, and the last sight of a deleted one: how it ended may be known from nowhere else.

        Answers whose visit is due, where that is news.
        """
        pod = view_pod(body, gone=deleted)
        self._note(Kind.POD, pod.uid, version_of(pod.resource_version), deleted=deleted)
        return self._put_pod(pod, replaces_up_to=ANY_VERSION if deleted else _NO_VERSION)

    def forget_run(self, key: Key, uid: str) -> bool:
        """That run is no more, and its Jobs and pods are of no use without it; answers whether it was known."""
        known = self._runs.get(key)
        if known is None or known.uid != uid:
            return False
        del self._runs[key]
        self.leftovers.drop_all(key)
        self._drop_children(uid)
        return True

    def forget_job(self, uid: str) -> bool:
        """The Job is gone; answers whether it was known."""
        job = self._jobs.pop(uid, None)
        if job is None:
            return False
        if self._job_by_name.get((job.namespace, job.name)) == uid:
            del self._job_by_name[job.namespace, job.name]
        for run_uid in (job.owner_uid or "", job.run_uid):
            jobs = self._jobs_by_run.get(run_uid, set())
            jobs.discard(uid)
            if not jobs:
                self._jobs_by_run.pop(run_uid, None)
        return True

    def pods_are(self, known_before: Iterable[PodView], bodies: Iterable[Object]) -> None:
        """Takes a live read as the truth about the pods that were known before it.

        One that the watch has shown since may be younger than the answer; any other that it lacks is gone.
        """
        listed = set()
        for body in bodies:
            listed.add(body["metadata"]["uid"])
            self.observe_pod(body)
        for pod in known_before:
            latest = self._pods.get(pod.uid)
            if latest is not None and pod.uid not in listed:
                self._put_pod(replace(latest, gone=True), replaces_up_to=ANY_VERSION)

    # -- lists

    def begin_listing(self, kind: Kind, namespace: str | None) -> Listing:
        """To be called before the API server is asked for the list.

        Args:
            namespace: the one that is listed; None: all.
        """
        listing = Listing(kind, namespace, self._highest[kind])
        self._listings.append(listing)
        return listing

    def take_listed(self, listing: Listing, body: Object) -> None:
        """What is in the list, is there, as the list has it: only what is newer than the list is known better."""
        meta = body["metadata"]
        uid, version = meta["uid"], version_of(meta.get("resourceVersion"))
        listing.listed.add(uid)
        if uid in listing.deleted_meanwhile:
            return
        limit = listing.holds_up_to
        key: Key | None
        if listing.kind is Kind.RUN:
            key = Key(meta["namespace"], meta["name"])
            key = key if self._put_run(key, body, version, replaces_up_to=limit) else None
        elif listing.kind is Kind.JOB:
            key = self._take_job(view_job(body), body, replaces_up_to=limit)
        else:
            key = self._put_pod(view_pod(body), replaces_up_to=limit)
        if key is not None:
            listing.changed.add(key)

    def end_listing(self, listing: Listing) -> set[Key]:
        """What is not in the list, and not newer than it, is gone; answers whose visits are due."""
        version = listing.version
        self._highest[listing.kind] = version if listing.versions_are_new else max(self._highest[listing.kind], version)
        if listing.kind is Kind.RUN:
            for run_key, run in list(self._runs.items()):
                if listing.misses(run_key.namespace, run.uid, run.version):
                    self.forget_run(run_key, run.uid)
                    listing.changed.add(run_key)
        elif listing.kind is Kind.JOB:
            for job in [each for each in self._jobs.values() if _misses(listing, each)]:
                key = self._run_of(job)
                self.forget_job(job.uid)
                listing.changed |= {key} if key else set()
        else:
            for pod in [each for each in self._pods.values() if not each.gone and _misses(listing, each)]:
                # Gone as of this list: what a restored etcd has of it later is newer than that.
                gone = replace(pod, gone=True, resource_version=str(version))
                key = self._put_pod(gone, replaces_up_to=ANY_VERSION)
                listing.changed |= {key} if key else set()
        return listing.changed

    def drop_listing(self, listing: Listing) -> None:
        """It is over; one that was not read to its end tells nothing by what it lacks."""
        self._listings = [each for each in self._listings if each is not listing]

    # -- reading

    def run(self, key: Key) -> Run | None:
        """The TrainingRun as last seen; None where it is not known or is over.

        Raises:
            UnreadableError: it is not what the CRD promises.
        """
        known = self._runs.get(key)
        if known is None or known.body is None:
            return None
        try:
            return _parse(known.body)
        except ValidationError as error:
            # Neither failed nor healthy: an older or newer operator may well read it.
            raise UnreadableError(f"TrainingRun {key.namespace}/{key.name} can't be read: {error}") from error

    def is_over(self, key: Key) -> bool:
        """Whether it is known to have succeeded or failed for good."""
        known = self._runs.get(key)
        return known is not None and known.body is None

    def over(self, key: Key) -> OverRun | None:
        """A run that is over."""
        known = self._runs.get(key)
        if known is None or known.body is not None:
            return None
        return OverRun(known.uid, str(known.version), known.delete_at)

    def active_runs(self) -> tuple[Key, ...]:
        """The runs that are not over."""
        return tuple(self._active.values())

    def phases(self) -> Counter[str]:
        """How many runs there are in each phase; one that was never visited has none."""
        return Counter(run.phase for run in self._runs.values())

    def job_named(self, namespace: str, name: str) -> JobView | None:
        """The Job of that name, whoever owns it."""
        uid = self._job_by_name.get((namespace, name))
        return self._jobs.get(uid) if uid else None

    def jobs_of(self, run_uid: str) -> tuple[JobView, ...]:
        """The Jobs that a run owns."""
        jobs = (self._jobs[uid] for uid in sorted(self._jobs_by_run.get(run_uid, ())))
        return tuple(job for job in jobs if job.owner_uid == run_uid)

    def run_of_job(self, uid: str) -> Key | None:
        """The run that a Job belongs to, where both are known."""
        job = self._jobs.get(uid)
        return self._run_of(job) if job is not None else None

    def pods_of(self, run_uid: str) -> tuple[PodView, ...]:
        """The pods with that run's label, whoever owns them, oldest first."""
        found = [self._pods[uid] for uid in self._pods_by_run.get(run_uid, ())]
        return tuple(sorted(found, key=lambda pod: (pod.created_at, pod.uid)))

    def pod(self, uid: str) -> PodView | None:
        """The pod of that UID."""
        return self._pods.get(uid)

    # -- within

    def _note(self, kind: Kind, uid: str, version: int, *, deleted: bool) -> None:
        self._highest[kind] = max(self._highest[kind], version)
        if deleted:
            for listing in self._listings:
                listing.deleted_meanwhile.add(uid)

    def _put_run(self, key: Key, body: Object, version: int, *, replaces_up_to: float) -> bool:
        """Whether that is news."""
        meta, status = body["metadata"], body.get("status") or {}
        uid, known = meta["uid"], self._runs.get(key)
        if known is not None and known.uid != uid:
            self.forget_run(key, known.uid)
            known = None
        if known is not None and version < known.version > replaces_up_to:
            return False
        if known is not None and 0 < version == known.version and replaces_up_to < ANY_VERSION:
            # What a write was answered with comes again by the watch.
            return False
        phase = status.get("phase", "")
        if phase in (Phase.SUCCEEDED, Phase.FAILED):
            new = _StoredRun(uid, version, phase, None, deletion_time(body))
            for job in self.jobs_of(uid) if new.delete_at is None else ():
                self.leftovers.put(key, uid, job)
            self._drop_children(uid)
        else:
            used = {name: meta[name] for name in _USED_METADATA if name in meta}
            kept = {"metadata": used, "spec": body.get("spec") or {}, "status": status}
            new = _StoredRun(uid, version, phase, json.dumps(kept, separators=(",", ":")).encode())
            self._active[uid] = key
            self._claims(uid, claim_of(body))
        self._runs[key] = new
        return known != new

    def _take_job(self, job: JobView, body: Object, *, replaces_up_to: float) -> Key | None:
        if self._run_of(job) is not None:
            return self._put_job(job, replaces_up_to=replaces_up_to)
        key = Key(job.namespace, (body["metadata"].get("labels") or {}).get(LABEL_RUN, ""))
        run = self._runs.get(key)
        if run is None or run.body is not None or run.delete_at is not None:
            # Those of a run that is to be deleted go with it.
            return None
        return key if self.leftovers.put(key, run.uid, job) else None

    def _put_job(self, job: JobView, *, replaces_up_to: float) -> Key | None:
        key, known = self._run_of(job), self._jobs.get(job.uid)
        if key is None or (known is not None and _is_older(job, known, replaces_up_to)):
            return None
        self._jobs[job.uid] = job
        self.places.begin(job.owner_uid or "", job.stage)
        self._job_by_name[job.namespace, job.name] = job.uid
        self._jobs_by_run.setdefault(self._runs[key].uid, set()).add(job.uid)
        return None if known == job else key

    def _put_pod(self, pod: PodView, *, replaces_up_to: float) -> Key | None:
        key, known = self._active.get(pod.run_uid), self._pods.get(pod.uid)
        if key is None or (known is not None and _is_older(pod, known, replaces_up_to)):
            return None
        self._pods[pod.uid] = pod
        self._pods_by_run.setdefault(pod.run_uid, set()).add(pod.uid)
        if pod.gone:
            self._drop_old_pods(pod)
        return None if known == pod else key

    def _run_of(self, job: JobView) -> Key | None:
        """The run that owns a Job, or whose label it bears."""
        return self._active.get(job.owner_uid or "") or self._active.get(job.run_uid)

    def _drop_children(self, run_uid: str) -> None:
        for job_uid in tuple(self._jobs_by_run.get(run_uid, ())):
            self.forget_job(job_uid)
        for pod_uid in self._pods_by_run.pop(run_uid, ()):
            del self._pods[pod_uid]
        self._active.pop(run_uid, None)
        self._claims(run_uid, None)

    def _claims(self, uid: str, claim: Claim | None) -> None:
        for other in self.places.put(uid, claim):
            self._wake(Key(other.namespace, other.name))

    def _drop_old_pods(self, latest: PodView) -> None:
        alike = (latest.owner_uid, latest.index)
        gone = [pod for pod in self.pods_of(latest.run_uid) if pod.gone and (pod.owner_uid, pod.index) == alike]
        for pod in gone[:-_GONE_PODS]:
            del self._pods[pod.uid]
            self._pods_by_run[latest.run_uid].discard(pod.uid)


def _is_older(new: JobView | PodView, known: JobView | PodView, replaces_up_to: float) -> bool:
    return version_of(new.resource_version) < version_of(known.resource_version) > replaces_up_to


def _misses(listing: Listing, child: JobView | PodView) -> bool:
    return listing.misses(child.namespace, child.uid, version_of(child.resource_version))
