"""The pod of a stage's Job.

It satisfies the Pod Security Standard `restricted`. What it is given is the contract "What a worker pod gets" of
docs/architecture.md.
"""

from __future__ import annotations

from typing import Any

from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.jobs.pod.containers import init_container, worker_container
from trainingrun_operator.core.jobs.pod.placement import placement
from trainingrun_operator.core.jobs.pod.resources import worker_resources
from trainingrun_operator.core.jobs.pod.volumes import volumes
from trainingrun_operator.core.names import service_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

# The image's own user; the chart's and the image's tests hold it equal.
WORKER_UID = 65532
_GRACE_PERIOD_S = {Stage.PREPROCESS: 30, Stage.TRAIN: 120}


def build_pod_spec(run: Run, stage: Stage, attempt: int, defaults: JobDefaults, *, resume_from: str) -> dict[str, Any]:
    """The pod's spec.

    Args:
        resume_from: where a train attempt goes on from.

    Raises:
        ValueError: the spec holds what can't be put into a pod.
    """
    spec, template = run.spec, run.pod_template(stage)
    resources = worker_resources(run, stage)
    worker = worker_container(run, stage, attempt, defaults, resources=resources, resume_from=resume_from)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": template.termination_grace_period_seconds or _GRACE_PERIOD_S[stage],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": WORKER_UID,
            "runAsGroup": WORKER_UID,
            "fsGroup": WORKER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [worker],
        "volumes": volumes(run, stage, attempt, resources),
    }
    if template.init_containers:
        pod["initContainers"] = [init_container(each) for each in template.init_containers]
    if stage is Stage.TRAIN and spec.training.nodes > 1:
        pod["subdomain"] = service_name(run)
    service_account = template.service_account_name or spec.service_account_name
    if service_account:
        pod["serviceAccountName"] = service_account
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [secret.to_json() for secret in spec.image_pull_secrets]
    return pod | placement(run, stage)
