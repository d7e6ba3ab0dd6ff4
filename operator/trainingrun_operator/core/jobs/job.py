"""The Job of one attempt. Golden-file tested."""

from __future__ import annotations

import copy
from typing import Any

from trainingrun_operator.core.failures.diagnosis import PERMANENT_EXIT_CODES
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.jobs.owner import owner_reference
from trainingrun_operator.core.jobs.pod.pod import build_pod_spec
from trainingrun_operator.core.jobs.pod.resources import resources_hash
from trainingrun_operator.core.names import (
    ANNOTATION_RESOURCES,
    LABEL_ATTEMPT,
    LABEL_RUN,
    LABEL_RUN_UID,
    LABEL_STAGE,
    WORKER_CONTAINER,
    job_name,
)
from trainingrun_operator.core.observed import KUEUE_PRIORITY_LABEL, KUEUE_QUEUE_LABEL
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

# By annotations of a pod that begin so AppArmor is told to be less strict with a container.
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
# How often a shard's pod is made anew within its Job, before the attempt has failed.
_RETRIES_OF_A_SHARD = 2


def build_job(
    run: Run, stage: Stage, attempt: int, defaults: JobDefaults, *, resume_from: str = "auto"
) -> dict[str, Any]:
    """The Job of one attempt.

    Args:
        resume_from: where a train attempt goes on from; the spec decides for the first one, later ones take the run's
            own checkpoints.

    Raises:
        ValueError: the spec holds what can't be put into a Job, although the CRD should have refused it.
    """
    template = run.pod_template(stage)
    labels = {
        **template.labels,
        "app.kubernetes.io/name": "trainingrun",
        "app.kubernetes.io/component": str(stage),
        "app.kubernetes.io/managed-by": "trainingrun-operator",
        LABEL_RUN: run.name,
        LABEL_RUN_UID: run.uid,
        LABEL_STAGE: str(stage),
        LABEL_ATTEMPT: str(attempt),
    }
    metadata: dict[str, Any] = {"labels": labels}
    annotations = {key: text for key, text in template.annotations.items() if not key.startswith(_APPARMOR)}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run, stage, attempt),
            "namespace": run.namespace,
            **metadata,
            # A stage may wait in a queue of its own.
            "labels": {**_of_the_queue(run), **labels},
            "annotations": {**annotations, ANNOTATION_RESOURCES: resources_hash(run, stage)},
            "ownerReferences": [owner_reference(run)],
        },
        "spec": {
            **({"managedBy": run.spec.managed_by} if run.spec.managed_by else {}),
            **_extent(stage, run.parallelism(stage)),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    # Must stand first: a drained pod exits with a code, too.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": WORKER_CONTAINER,
                            "operator": "In",
                            "values": list(PERMANENT_EXIT_CODES),
                        },
                    },
                ]
            },
            "template": {
                "metadata": copy.deepcopy(metadata),
                "spec": build_pod_spec(run, stage, attempt, defaults, resume_from=resume_from),
            },
        },
    }


def _of_the_queue(run: Run) -> dict[str, str]:
    """The run's labels that Kueue reads from a Job."""
    return {name: run.labels[name] for name in (KUEUE_QUEUE_LABEL, KUEUE_PRIORITY_LABEL) if name in run.labels}


def _extent(stage: Stage, pods: int) -> dict[str, Any]:
    """How many pods, and how often each is made anew."""
    if pods == 1:
        return {"parallelism": 1, "completions": 1, "backoffLimit": 0}
    # A node that fails takes the others along, which go on together with it or not at all.
    retries = _RETRIES_OF_A_SHARD if stage is Stage.PREPROCESS else 0
    # Without backoffLimit: over all indexes together it is unlimited then, where a 0 would let the first pod that fails
    # end the Job. An index that is given up ends it, since a dataset is made of all of them.
    return {
        "completionMode": "Indexed",
        "parallelism": pods,
        "completions": pods,
        "backoffLimitPerIndex": retries,
        "maxFailedIndexes": 0,
    }
