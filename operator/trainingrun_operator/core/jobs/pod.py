"""The pod of a stage's Job.

It satisfies the Pod Security Standard `restricted`. What it is given is the contract "What a worker pod gets" of
docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainingrun_operator.core.jobs.commands import (
    CONFIG_DIR,
    PASSWORDS_DIR,
    PASSWORDS_KEY,
    literal,
    preprocess_command,
    train_command,
)
from trainingrun_operator.core.jobs.defaults import JobDefaults, worker_image
from trainingrun_operator.core.jobs.memory import with_memory
from trainingrun_operator.core.jobs.quantity import parse_quantity
from trainingrun_operator.core.names import WORKER_CONTAINER, audience, job_name, service_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.spec import PodTemplate, Resources
from trainingrun_operator.core.resource.status import Stage

# The image's own user; the chart's and the image's tests hold it equal.
WORKER_UID = 65532
TOKEN_DIR = "/var/run/secrets/trainingrun"  # noqa: S105  (a folder, no secret)
TOKEN_EXPIRATION_S = 3600
HOME = "/home/trainingrun"
GRACE_PERIOD_S = {Stage.PREPROCESS: 30, Stage.TRAIN: 120}
_SHM_DEFAULT = 1 << 30
_SHM_CAP = 16 << 30


def build_pod_spec(run: Run, stage: Stage, attempt: int, defaults: JobDefaults, *, resume_from: str) -> dict[str, Any]:
    """The pod's spec.

    Args:
        resume_from: where a train attempt goes on from.

    Raises:
        ValueError: the spec holds what can't be put into a pod.
    """
    spec, template = run.spec, run.pod_template(stage)
    if run.status.memory and stage is run.status.current_stage:
        template = template.model_copy(update={"resources": with_memory(template.resources, run.status.memory)})
    command = train_command(run, resume_from) if stage is Stage.TRAIN else preprocess_command(run)
    tolerations = list(template.tolerations)
    if stage is Stage.TRAIN:
        # Clouds keep other pods off GPU nodes by a taint named like the resource.
        tolerations.append({"key": spec.gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"})
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_PERIOD_S[stage],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": WORKER_UID,
            "runAsGroup": WORKER_UID,
            "fsGroup": WORKER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(run, stage, attempt, defaults, command, wanted=template.resources)],
        "volumes": [
            {"name": "work", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "home", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _shm_size(template)}},
            {
                "name": "progress-token",
                "projected": {
                    "sources": [
                        {
                            "serviceAccountToken": {
                                "audience": audience(run.namespace, run.name, run.uid, stage, attempt),
                                "expirationSeconds": TOKEN_EXPIRATION_S,
                                "path": "token",
                            }
                        }
                    ]
                },
            },
        ],
    }
    pod["volumes"].extend(_files_of_the_user(run, stage).values())
    if stage is Stage.TRAIN and spec.training.nodes > 1:
        pod["subdomain"] = service_name(run)
    if spec.service_account_name:
        pod["serviceAccountName"] = spec.service_account_name
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [secret.to_json() for secret in spec.image_pull_secrets]
    if template.runtime_class_name:
        pod["runtimeClassName"] = template.runtime_class_name
    if template.priority_class_name:
        pod["priorityClassName"] = template.priority_class_name
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if run.status.excluded_nodes:
        pod["affinity"] = {"nodeAffinity": _away_from(run.status.excluded_nodes)}
    if tolerations:
        pod["tolerations"] = tolerations
    return pod


def _away_from(nodes: Sequence[str]) -> dict[str, Any]:
    """Another node, if there is one: where all are excluded, a pod that must not run on them would wait for ever."""
    # By name, since the label kubernetes.io/hostname may hold another one. A field takes one value at a time.
    fields = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {"matchFields": fields}}]}


def _container(
    run: Run, stage: Stage, attempt: int, defaults: JobDefaults, command: list[str], *, wanted: Resources
) -> dict[str, Any]:
    resources: dict[str, Any] = {
        kind: dict(values) for kind, values in (("requests", wanted.requests), ("limits", wanted.limits)) if values
    }
    if stage is Stage.TRAIN:
        resources.setdefault("limits", {})[run.spec.gpu.resource_name] = str(run.spec.training.gpus_per_node)
    return {
        "name": WORKER_CONTAINER,
        "image": worker_image(run, stage, defaults),
        "imagePullPolicy": run.spec.image_pull_policy or defaults.image_pull_policy,
        "command": command,
        "workingDir": "/work",
        "env": _environment(run, stage, attempt, defaults),
        "resources": resources,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "work", "mountPath": "/work"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": "home", "mountPath": HOME},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
            {"name": "progress-token", "mountPath": TOKEN_DIR, "readOnly": True},
            *(
                {"name": volume["name"], "mountPath": folder, "readOnly": True}
                for folder, volume in _files_of_the_user(run, stage).items()
            ),
        ],
    }


def _files_of_the_user(run: Run, stage: Stage) -> dict[str, dict[str, Any]]:
    """Volumes with what the spec names in the namespace, by the folder that they are mounted at. Each holds the one key
    that is needed: the passwords of the documents for preprocess, the config for training.
    """
    passwords, config = run.spec.dataset.passwords_secret, run.spec.training.config_map
    if stage is Stage.PREPROCESS and passwords:
        # For the worker's group, which fsGroup makes the owner.
        secret = {"secretName": passwords, "defaultMode": 0o440, "items": [_item(PASSWORDS_KEY)]}
        return {PASSWORDS_DIR: {"name": "passwords", "secret": secret}}
    if stage is Stage.TRAIN and config:
        return {CONFIG_DIR: {"name": "config", "configMap": {"name": config.name, "items": [_item(config.key)]}}}
    return {}


def _item(key: str) -> dict[str, str]:
    return {"key": key, "path": key}


def _environment(run: Run, stage: Stage, attempt: int, defaults: JobDefaults) -> list[dict[str, Any]]:
    storage, sse = run.spec.storage, run.spec.storage.sse
    values = {
        "HOME": HOME,
        "TMPDIR": "/tmp",  # noqa: S108
        "AWS_S3_ENDPOINT": storage.endpoint,
        "AWS_REGION": storage.region,
        "AWS_S3_SSE_TYPE": sse.type if sse else None,
        "AWS_S3_SSE_KMS_KEY_ID": sse.kms_key_id if sse else None,
        "TRAINING_RUN_NAMESPACE": run.namespace,
        "TRAINING_RUN_NAME": run.name,
        "TRAINING_RUN_UID": run.uid,
        "TRAINING_ATTEMPT": str(attempt),
        "TRAINING_IMAGE": worker_image(run, stage, defaults),
        "TRAINING_TERMINATION_LOG": "/dev/termination-log",
        "TRAINING_STEP_DEADLINE_S": str(round(run.spec.deadlines.progress.total_seconds())),
    }
    if stage is Stage.TRAIN and run.spec.training.nodes > 1:
        values["TRAINING_NODES"] = str(run.spec.training.nodes)
        values["MASTER_ADDR"] = f"{job_name(run, stage, attempt)}-0.{service_name(run)}"
    if defaults.gateway_url:
        path = f"/v1/namespaces/{run.namespace}/trainingruns/{run.name}/progress"
        values["TRAINING_PROGRESS_URL"] = defaults.gateway_url.rstrip("/") + path
        values["TRAINING_PROGRESS_TOKEN_FILE"] = f"{TOKEN_DIR}/token"
        values["TRAINING_PROGRESS_CA"] = defaults.gateway_ca or None
    # An empty string is not the same as absent: it would defeat role-based credentials.
    variables: list[dict[str, Any]] = [
        {"name": name, "value": literal(value)} for name, value in values.items() if value
    ]
    # Of two variables of one name the last one counts.
    variables[:0] = [{"name": each.name, "value": literal(each.value)} for each in run.pod_template(stage).env]
    if storage.credentials_secret:
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            reference: dict[str, Any] = {"name": storage.credentials_secret, "key": key}
            if key == "AWS_SESSION_TOKEN":
                reference["optional"] = True
            variables.append({"name": key, "valueFrom": {"secretKeyRef": reference}})
    return variables


def _shm_size(template: PodTemplate) -> str:
    """Half of the memory limit, since what lies in /dev/shm counts against it; 1 GiB where there is none."""
    limit = template.resources.limits.get("memory")
    size = _SHM_DEFAULT if limit is None else min(parse_quantity(str(limit)) // 2, _SHM_CAP)
    return f"{max(size >> 20, 1)}Mi"
