"""What reconcile() is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.places import Claim
from trainingrun_operator.core.progress.report import Report
from trainingrun_operator.core.queueing.workload import KueueView, WorkloadView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage, Status


@dataclass(frozen=True, kw_only=True)
class CreateError:
    """Why an object was not made, mostly the API server's answer. `permanent`: the same object never will be.

    `stage`: the one that needs it. `causes`: its fields that are wrong, and what is said of each. `times_before`: how
    often in a row the run was refused before.
    """

    kind: str = "Job"
    name: str
    stage: Stage
    message: str
    permanent: bool
    causes: tuple[tuple[str, str], ...] = ()
    times_before: int = 0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An object that the API server must take, as a dry run, before the rest of a plan is carried out.

    `digest` is the same for objects of which either all are valid or none is.
    """

    manifest: dict[str, Any]
    digest: str


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A run, every Job with one of its names or its UID, and every pod with its label, whoever owns it.

    The controller looks live for a Job that should be there and is not in sight, so what is absent here is gone.
    """

    run: Run
    jobs: tuple[JobView, ...] = ()
    pods: tuple[PodView, ...] = ()
    # Those of the Jobs; None where the operator does not follow Kueue.
    workloads: tuple[WorkloadView, ...] | None = None
    defaults: JobDefaults = field(default_factory=JobDefaults)
    create_error: CreateError | None = None
    # Another run that goes first where this one wants to write.
    ahead: Claim | None = None

    def job(self, name: str) -> JobView | None:
        return next((job for job in self.jobs if job.name == name), None)

    def kueue_of(self, job: JobView) -> KueueView:
        """Kueue's part in a Job."""
        workload = next((each for each in self.workloads or () if each.job_uid == job.uid), None)
        return KueueView(workload=workload, followed=self.workloads is not None)

    def pods_of(self, job: JobView) -> tuple[PodView, ...]:
        """Oldest first."""
        return tuple(sorted((pod for pod in self.pods if pod.owner_uid == job.uid), key=lambda pod: pod.created_at))


@dataclass(frozen=True, kw_only=True)
class Event:
    """A Kubernetes Event; posted once for each `key` of a run."""

    reason: str
    message: str
    key: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class ProgressUpdate:
    """What the progress manager is to write: a pod's final report, or (None) no figures at the start of a stage."""

    report: Report | None
    pod_uid: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done, in the order of the fields. `status` is None if it holds."""

    tries: tuple[Trial, ...] = ()
    services: tuple[dict[str, Any], ...] = ()
    create: tuple[dict[str, Any], ...] = ()
    delete: tuple[JobView, ...] = ()
    # Names of Jobs, and what their spec.suspend is to be.
    suspend: tuple[tuple[str, bool], ...] = ()
    # Names of Kueue Workloads, and what their spec.active is to be.
    activate: tuple[tuple[str, bool], ...] = ()
    # Names of Jobs whose pods are to be stopped for good.
    end: tuple[str, ...] = ()
    progress: ProgressUpdate | None = None
    status: Status | None = None
    events: tuple[Event, ...] = ()
    requeue_after: timedelta | None = None
