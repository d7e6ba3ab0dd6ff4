"""The objects as last seen, from the watch and from live reads. All methods belong to one event loop.

Labels lead to a run quickly; only the controller reference's UID proves that a Job or a pod belongs to it. What is
known of Jobs and pods is kept as long as their run.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from trainingrun_operator.core.observed import JobView, PodView, view_job, view_pod

_REMEMBERED_DELETIONS = 10_000
# Of a Job, or of each shard of it: how a shard ended may be known from no other pod.
_GONE_PODS = 5


class Key(NamedTuple):
    """A run's namespace and name."""

    namespace: str
    name: str


def _is_older(version: str, than: str) -> bool:
    """Whether an object's resource version precedes another; versions that are no numbers can't be compared."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


class Store:
    """Runs as plain data, Jobs and pods as the few facts that decisions need."""

    def __init__(self) -> None:
        self._runs: dict[Key, dict[str, Any]] = {}
        self._jobs: dict[str, JobView] = {}
        self._pods: dict[str, PodView] = {}
        self._jobs_by_owner: dict[str, set[str]] = {}
        self._job_by_name: dict[tuple[str, str], str] = {}
        self._pods_by_run: dict[str, set[str]] = {}
        # A live read that was under way when its object was deleted must not bring it back.
        self._deleted: OrderedDict[str, None] = OrderedDict()

    # -- remembering

    def observe_run(self, body: Mapping[str, Any], *, deleted: bool = False) -> Key:
        """Remembers a TrainingRun; answers whose visit is due."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        known = self._runs.get(key)
        same = known is not None and known["metadata"]["uid"] == meta["uid"]
        if deleted:
            self.forget_run(key, meta["uid"])
        elif meta["uid"] not in self._deleted and not (
            known is not None
            and same
            and _is_older(meta.get("resourceVersion", ""), known["metadata"].get("resourceVersion", ""))
        ):
            slim = {name: value for name, value in meta.items() if name not in ("managedFields", "annotations")}
            self._runs[key] = {"metadata": slim, "spec": body.get("spec") or {}, "status": body.get("status") or {}}
        return key

    def observe_job(self, body: Mapping[str, Any], *, deleted: bool = False) -> Key | None:
        """Remembers a Job; answers whose visit is due."""
        job = view_job(body)
        known = self._jobs.get(job.uid)
        if deleted:
            self._remember_deletion(job.uid)
            self.forget_job(job.uid)
        elif not {job.uid, job.owner_uid} & self._deleted.keys() and not (
            known and _is_older(job.resource_version, known.resource_version)
        ):
            self._jobs[job.uid] = job
            self._job_by_name[job.namespace, job.name] = job.uid
            if job.owner_uid:
                self._jobs_by_owner.setdefault(job.owner_uid, set()).add(job.uid)
        return Key(job.namespace, job.run_name) if job.run_name else None

    def observe_pod(self, body: Mapping[str, Any], *, deleted: bool = False) -> Key | None:
        """Remembers a pod, and the last sight of a deleted one: how it ended may be known from nowhere else."""
        pod = view_pod(body, gone=deleted)
        known = self._pods.get(pod.uid)
        late = pod.uid in self._deleted or (known and _is_older(pod.resource_version, known.resource_version))
        if deleted:
            self._remember_deletion(pod.uid)
        if (deleted or not late) and pod.run_uid not in self._deleted:
            self._pods[pod.uid] = pod
            self._pods_by_run.setdefault(pod.run_uid, set()).add(pod.uid)
            if deleted:
                self._drop_old_pods(pod)
        return Key(pod.namespace, pod.run_name) if pod.run_name else None

    def forget_run(self, key: Key, uid: str) -> None:
        """That run is no more, and its Jobs and pods are of no use without it."""
        self._remember_deletion(uid)
        known = self._runs.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._runs[key]
        for job_uid in tuple(self._jobs_by_owner.get(uid, ())):
            self.forget_job(job_uid)
        for pod_uid in self._pods_by_run.pop(uid, ()):
            del self._pods[pod_uid]

    def forget_job(self, uid: str) -> None:
        """The API server does not know it any more."""
        job = self._jobs.pop(uid, None)
        if job is None:
            return
        if self._job_by_name.get((job.namespace, job.name)) == uid:
            del self._job_by_name[job.namespace, job.name]
        if job.owner_uid in self._jobs_by_owner:
            self._jobs_by_owner[job.owner_uid].discard(uid)
            if not self._jobs_by_owner[job.owner_uid]:
                del self._jobs_by_owner[job.owner_uid]

    def replace_pods(self, known_before: Iterable[PodView], bodies: Iterable[Mapping[str, Any]]) -> None:
        """Takes a live list of a run's pods as the truth about those that were known before it was asked for.

        One that the watch has shown since may be younger than the list; any other that it lacks is gone.
        """
        listed = set()
        for body in bodies:
            listed.add(body["metadata"]["uid"])
            self.observe_pod(body)
        for pod in known_before:
            latest = self._pods.get(pod.uid)
            if latest is not None and not latest.gone and pod.uid not in listed:
                self._remember_deletion(pod.uid)
                self._pods[pod.uid] = replace(latest, gone=True)

    # -- reading

    def run(self, key: Key) -> Mapping[str, Any] | None:
        """The TrainingRun as last seen."""
        return self._runs.get(key)

    def phases(self) -> Counter[str]:
        """How many runs there are in each phase; one that was never visited has none."""
        return Counter(body["status"].get("phase", "") for body in self._runs.values())

    def job_named(self, namespace: str, name: str) -> JobView | None:
        """The Job of that name, whoever owns it."""
        uid = self._job_by_name.get((namespace, name))
        return self._jobs.get(uid) if uid else None

    def jobs_of(self, run_uid: str) -> tuple[JobView, ...]:
        """The Jobs that a run owns."""
        return tuple(self._jobs[uid] for uid in sorted(self._jobs_by_owner.get(run_uid, ())))

    def pods_of(self, run_uid: str) -> tuple[PodView, ...]:
        """The pods with that run's label, whoever owns them, oldest first."""
        found = [self._pods[uid] for uid in self._pods_by_run.get(run_uid, ())]
        return tuple(sorted(found, key=lambda pod: (pod.created_at, pod.uid)))

    def pod(self, uid: str) -> PodView | None:
        """The pod of that UID."""
        return self._pods.get(uid)

    def _remember_deletion(self, uid: str) -> None:
        self._deleted[uid] = None
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)

    def _drop_old_pods(self, latest: PodView) -> None:
        alike = (latest.owner_uid, latest.index)
        gone = [pod for pod in self.pods_of(latest.run_uid) if pod.gone and (pod.owner_uid, pod.index) == alike]
        for pod in gone[:-_GONE_PODS]:
            del self._pods[pod.uid]
            self._pods_by_run[latest.run_uid].discard(pod.uid)
