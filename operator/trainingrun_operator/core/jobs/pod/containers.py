"""The containers of a pod: the worker, and the template's own that run before it.

None of them can have more rights than the Pod Security Standard `restricted` gives, whatever the template says.
"""

from __future__ import annotations

from typing import Any

from trainingrun_operator.core.jobs.commands import literal, preprocess_command, train_command
from trainingrun_operator.core.jobs.defaults import JobDefaults, worker_image
from trainingrun_operator.core.jobs.pod.environment import variables, worker_environment
from trainingrun_operator.core.jobs.pod.volumes import init_mounts, worker_mounts
from trainingrun_operator.core.names import WORKER_CONTAINER
from trainingrun_operator.core.resource.pod_template import ContainerClaim, InitContainer, Resources
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


def worker_container(
    run: Run, stage: Stage, attempt: int, defaults: JobDefaults, *, resources: Resources, resume_from: str
) -> dict[str, Any]:
    """The container that does the stage's work.

    Args:
        resources: what is asked for it, without GPUs.
        resume_from: where a train attempt goes on from.
    """
    training = stage is Stage.TRAIN
    env_from = run.pod_template(stage).env_from
    return {
        "name": WORKER_CONTAINER,
        "image": worker_image(run, stage, defaults),
        "imagePullPolicy": run.spec.image_pull_policy or defaults.image_pull_policy,
        "command": train_command(run, resume_from) if training else preprocess_command(run),
        "workingDir": "/work",
        "env": worker_environment(run, stage, attempt, defaults),
        **({"envFrom": list(env_from)} if env_from else {}),
        "resources": _asked(_with_gpus(run, resources) if training else resources),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security_context(),
        "volumeMounts": worker_mounts(run, stage),
    }


def init_container(wanted: InitContainer) -> dict[str, Any]:
    """A container of the template; what it says is all that it has beside a /tmp and the security context."""
    fields = {
        "name": wanted.name,
        "image": wanted.image,
        "imagePullPolicy": wanted.image_pull_policy,
        "command": [literal(word) for word in wanted.command],
        "args": [literal(word) for word in wanted.args],
        "workingDir": wanted.working_dir,
        "env": variables(wanted.env),
        "envFrom": list(wanted.env_from),
        "resources": _asked(wanted.resources),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": _security_context(),
        "volumeMounts": init_mounts(wanted.volume_mounts),
    }
    return {name: value for name, value in fields.items() if value}


def _security_context() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _with_gpus(run: Run, resources: Resources) -> Resources:
    """The devices of a claim take the place of the extended resource, which no device plugin may know there."""
    gpu = run.spec.gpu
    if gpu.resource_claim is None:
        number = str(run.spec.training.gpus_per_node)
        return resources.model_copy(update={"limits": {**resources.limits, gpu.resource_name: number}})
    if any(claim.name == gpu.resource_claim for claim in resources.claims):
        return resources
    return resources.model_copy(update={"claims": (*resources.claims, ContainerClaim(name=gpu.resource_claim))})


def _asked(resources: Resources) -> dict[str, Any]:
    return {kind: value for kind, value in resources.to_json().items() if value}
