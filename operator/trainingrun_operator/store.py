"""The objects as last seen, from the watch and from live reads. All methods belong to one event loop.

Labels lead to a run quickly; only the controller reference's UID proves that a Job or a pod belongs to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from trainingrun_operator.observed import JobView, PodView, view_job, view_pod

_REMEMBERED_DELETIONS = 10_000
_GONE_PODS_OF_A_JOB = 5


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
        self._pods_by_owner: dict[str, set[str]] = {}
        # A live read that was under way when its object was deleted must not bring it back.
        self._deleted: OrderedDict[str, None] = OrderedDict()

    # -- remembering

    def see_run(self, body: Mapping[str, Any], *, deleted: bool = False) -> Key:
        """Remembers a TrainingRun; answers whose visit is due."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        known = self._runs.get(key)
        same = known is not None and known["metadata"]["uid"] == meta["uid"]
        if deleted:
            self._forget_uid(meta["uid"])
            if same:
                del self._runs[key]
        elif meta["uid"] not in self._deleted and not (
            known is not None
            and same
            and _is_older(meta.get("resourceVersion", ""), known["metadata"].get("resourceVersion", ""))
        ):
            slim = {name: value for name, value in meta.items() if name not in ("managedFields", "annotations")}
            self._runs[key] = {"metadata": slim, "spec": body.get("spec") or {}, "status": body.get("status") or {}}
        return key

    def see_job(self, body: Mapping[str, Any], *, deleted: bool = False) -> Key | None:
        """Remembers a Job; answers whose visit is due."""
        job = view_job(body)
        known = self._jobs.get(job.uid)
        if deleted:
            self._forget_uid(job.uid)
            self.forget_job(job.uid)
        elif job.uid not in self._deleted and not (known and _is_older(job.resource_version, known.resource_version)):
            self._jobs[job.uid] = job
            self._job_by_name[job.namespace, job.name] = job.uid
            if job.owner_uid:
                self._jobs_by_owner.setdefault(job.owner_uid, set()).add(job.uid)
        return Key(job.namespace, job.run_name) if job.run_name else None

    def see_pod(self, body: Mapping[str, Any], *, deleted: bool = False) -> Key | None:
        """Remembers a pod, and the last sight of a deleted one: how it ended may be known from nowhere else."""
        pod = view_pod(body, gone=deleted)
        known = self._pods.get(pod.uid)
        if not (known and (known.gone or _is_older(pod.resource_version, known.resource_version))) or deleted:
            self._pods[pod.uid] = pod
            if pod.owner_uid:
                self._pods_by_owner.setdefault(pod.owner_uid, set()).add(pod.uid)
                if deleted:
                    self._drop_old_pods(pod.owner_uid)
        return Key(pod.namespace, pod.run_name) if pod.run_name else None

    def forget_run(self, key: Key) -> None:
        """The API server does not know it any more."""
        self._runs.pop(key, None)

    def forget_job(self, uid: str) -> None:
        """The API server does not know it any more; its pods are of no use without it."""
        job = self._jobs.pop(uid, None)
        if job is None:
            return
        if self._job_by_name.get((job.namespace, job.name)) == uid:
            del self._job_by_name[job.namespace, job.name]
        if job.owner_uid in self._jobs_by_owner:
            self._jobs_by_owner[job.owner_uid].discard(uid)
            if not self._jobs_by_owner[job.owner_uid]:
                del self._jobs_by_owner[job.owner_uid]
        for pod_uid in self._pods_by_owner.pop(uid, ()):
            self._pods.pop(pod_uid, None)

    def pods_are(self, job_uids: Iterable[str], bodies: Iterable[Mapping[str, Any]]) -> None:
        """Takes a live list as the whole truth: a pod that it lacks is gone."""
        listed = set()
        for body in bodies:
            listed.add(body["metadata"]["uid"])
            self.see_pod(body)
        for job_uid in job_uids:
            for pod in self.pods((job_uid,)):
                if pod.uid not in listed and not pod.gone:
                    self._pods[pod.uid] = PodView(**{**vars(pod), "gone": True})

    # -- reading

    def run(self, key: Key) -> Mapping[str, Any] | None:
        """The TrainingRun as last seen."""
        return self._runs.get(key)

    def keys(self) -> tuple[Key, ...]:
        """All runs."""
        return tuple(self._runs)

    def job(self, uid: str) -> JobView | None:
        """The Job of that UID."""
        return self._jobs.get(uid)

    def job_named(self, namespace: str, name: str) -> JobView | None:
        """The Job of that name, whoever owns it."""
        uid = self._job_by_name.get((namespace, name))
        return self._jobs.get(uid) if uid else None

    def jobs_of(self, run_uid: str) -> tuple[JobView, ...]:
        """The Jobs that a run owns."""
        return tuple(self._jobs[uid] for uid in sorted(self._jobs_by_owner.get(run_uid, ())))

    def pods(self, job_uids: Iterable[str]) -> tuple[PodView, ...]:
        """The pods that these Jobs own, oldest first."""
        found = [self._pods[uid] for job_uid in job_uids for uid in self._pods_by_owner.get(job_uid, ())]
        return tuple(sorted(found, key=lambda pod: (pod.created_at, pod.uid)))

    def pod(self, uid: str) -> PodView | None:
        """The pod of that UID."""
        return self._pods.get(uid)

    def _forget_uid(self, uid: str) -> None:
        self._deleted[uid] = None
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)

    def _drop_old_pods(self, job_uid: str) -> None:
        gone = [pod for pod in self.pods((job_uid,)) if pod.gone]
        for pod in gone[:-_GONE_PODS_OF_A_JOB]:
            del self._pods[pod.uid]
            self._pods_by_owner[job_uid].discard(pod.uid)
