"""Names: the resource and its labels, field managers, a run's Jobs and Service, token audiences."""

from __future__ import annotations

import enum
import hashlib

from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

GROUP = "training.badgerdoc.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "TrainingRun"
PLURAL = "trainingruns"

# Labels index the children; membership is proved by the owner reference's UID alone.
LABEL_RUN = f"{GROUP}/run"
LABEL_RUN_UID = f"{GROUP}/run-uid"
LABEL_STAGE = f"{GROUP}/stage"
LABEL_ATTEMPT = f"{GROUP}/attempt"
# Of a Job: what the operator last wrote into its spec.suspend.
# What the worker of a Job asks for, as a hash.
ANNOTATION_RESOURCES = "training.badgerdoc.dev/resources"
ANNOTATION_SUSPEND = f"{GROUP}/suspend"

FIELD_MANAGER = "trainingrun-operator"
PROGRESS_FIELD_MANAGER = "trainingrun-progress"

WORKER_CONTAINER = "worker"


# Of a Kueue Workload: the UID of the Job that it stands for.
LABEL_JOB_UID = "kueue.x-k8s.io/job-uid"
KUEUE_GROUP = "kueue.x-k8s.io"
# Those with the fields that are read here; the first that a cluster serves is taken.
KUEUE_VERSIONS = ("v1beta2", "v1beta1")


class Kind(enum.Enum):
    """What is watched and listed, runs first: a Job or a pod is only kept where its run is known."""

    RUN = PLURAL
    JOB = "jobs"
    POD = "pods"
    WORKLOAD = "workloads"


# What a run cannot do without; Workloads are Kueue's, and only followed where the operator may.
RUN_KINDS = (Kind.RUN, Kind.JOB, Kind.POD)


_MAX_NAME = 63
# What the pods' host names append to the Job's name, for up to 64 of them.
_INDEX_SUFFIX = len("-63")


def job_name(run: Run, stage: Stage, attempt: int) -> str:
    """The same for the same run, stage and attempt, so that no restart makes a second Job.

    The hash of the UID tells a run from a deleted one of the same name.
    """
    suffix = f"-{stage}-{attempt}-{short_hash(run.uid)}"
    room = _MAX_NAME - len(suffix) - (_INDEX_SUFFIX if run.parallelism(stage) > 1 else 0)
    return run.name.replace(".", "-")[:room].rstrip("-") + suffix


def service_name(run: Run) -> str:
    """The headless Service by which the pods of a training over several nodes find each other.

    Its name begins with a letter (DNS-1035), which that of a run need not.
    """
    prefix = "" if run.name[0].isalpha() else "run-"
    suffix = f"-{Stage.TRAIN}-{short_hash(run.uid)}"
    name = prefix + run.name.replace(".", "-")
    return name[: _MAX_NAME - len(suffix)].rstrip("-") + suffix


def audience(namespace: str, name: str, uid: str, stage: Stage, attempt: int) -> str:
    """What a worker's token must have been issued for."""
    return f"trainingrun.badgerdoc.dev/{namespace}/{name}/{uid}/{stage}/{attempt}"


def short_hash(*parts: object, length: int = 8) -> str:
    """A stable hash for names and jitter."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:length]
