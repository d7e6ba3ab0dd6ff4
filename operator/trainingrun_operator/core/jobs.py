"""Builds the preprocess Job and the train Job as plain data. Golden-file tested.

The pods satisfy the Pod Security Standard `restricted`. What they are given is the contract "What a worker pod gets" of
docs/architecture.md.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from trainingrun_operator.core.commands import (
    CONFIG_DIR,
    PASSWORDS_DIR,
    PASSWORDS_KEY,
    preprocess_command,
    train_command,
)
from trainingrun_operator.core.failures import PERMANENT_EXIT_CODES
from trainingrun_operator.core.names import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_RUN,
    LABEL_RUN_UID,
    LABEL_STAGE,
    WORKER_CONTAINER,
    audience,
    job_name,
    service_name,
)
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.spec import PodTemplate
from trainingrun_operator.core.resource.status import Stage

# The image's own user; the chart's and the image's tests hold it equal.
WORKER_UID = 65532
TOKEN_DIR = "/var/run/secrets/trainingrun"  # noqa: S105  (a folder, no secret)
TOKEN_EXPIRATION_S = 3600
HOME = "/home/trainingrun"
GRACE_PERIOD_S = {Stage.PREPROCESS: 30, Stage.TRAIN: 120}
_SHM_DEFAULT = 1 << 30
_SHM_CAP = 16 << 30
_MAX_QUANTITY = 2**63 - 1
# How often a shard's pod is made anew within its Job, before the attempt has failed.
_RETRIES_OF_A_SHARD = 2
_BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@dataclass(frozen=True, kw_only=True)
class JobDefaults:
    """What the operator was installed with. Without a gateway URL the workers report nowhere."""

    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    gateway_url: str = ""
    gateway_ca: str = ""


def worker_image(run: Run, defaults: JobDefaults) -> str:
    """What the run started with, also when the operator was installed anew with another default since."""
    return run.status.image or run.spec.image or defaults.image


def build_job(
    run: Run, stage: Stage, attempt: int, defaults: JobDefaults, *, resume_from: str = "auto"
) -> dict[str, Any]:
    """The Job of one attempt.

    Args:
        resume_from: where a train attempt goes on from; the first one has the spec's word, later ones the run's own
            checkpoints.

    Raises:
        ValueError: the spec holds what can't be put into a Job, although the CRD should have refused it.
    """
    spec = run.spec
    template = (spec.training if stage is Stage.TRAIN else spec.preprocess).pod_template
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
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    command = train_command(run, resume_from) if stage is Stage.TRAIN else preprocess_command(run)
    container = _container(run=run, stage=stage, attempt=attempt, template=template, defaults=defaults, command=command)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run, stage, attempt),
            "namespace": run.namespace,
            **metadata,
            "ownerReferences": [_owner(run)],
        },
        "spec": {
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
                "spec": _pod_spec(run, stage, attempt, template, container),
            },
        },
    }


def build_service(run: Run) -> dict[str, Any]:
    """That Service, for all attempts of the run."""
    labels = {LABEL_RUN: run.name, LABEL_RUN_UID: run.uid, LABEL_STAGE: str(Stage.TRAIN)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(run),
            "namespace": run.namespace,
            "labels": {**labels, "app.kubernetes.io/managed-by": "trainingrun-operator"},
            "ownerReferences": [_owner(run)],
        },
        "spec": {
            "clusterIP": "None",
            # They look for each other before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": {LABEL_RUN_UID: run.uid, LABEL_STAGE: str(Stage.TRAIN)},
        },
    }


def _owner(run: Run) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


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


def _container(
    *, run: Run, stage: Stage, attempt: int, template: PodTemplate, defaults: JobDefaults, command: list[str]
) -> dict[str, Any]:
    resources: dict[str, Any] = {
        kind: dict(values)
        for kind, values in (("requests", template.resources.requests), ("limits", template.resources.limits))
        if values
    }
    if stage is Stage.TRAIN:
        resources.setdefault("limits", {})[run.spec.gpu.resource_name] = str(run.spec.training.gpus_per_node)
    return {
        "name": WORKER_CONTAINER,
        "image": worker_image(run, defaults),
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


def _pod_spec(run: Run, stage: Stage, attempt: int, template: PodTemplate, container: dict[str, Any]) -> dict[str, Any]:
    spec = run.spec
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
        "containers": [container],
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
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if tolerations:
        pod["tolerations"] = tolerations
    return pod


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
        "TRAINING_IMAGE": worker_image(run, defaults),
        "TRAINING_TERMINATION_LOG": "/dev/termination-log",
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
    variables: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items() if value]
    if storage.credentials_secret:
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            reference: dict[str, Any] = {"name": storage.credentials_secret, "key": key}
            if key == "AWS_SESSION_TOKEN":
                reference["optional"] = True
            variables.append({"name": key, "valueFrom": {"secretKeyRef": reference}})
    return [_literal(variable) for variable in variables]


def _literal(variable: dict[str, Any]) -> dict[str, Any]:
    """Kubernetes expands $(NAME) in values and commands; $$ keeps a dollar sign what it is."""
    if "value" in variable:
        return {**variable, "value": variable["value"].replace("$(", "$$(")}
    return variable


def _shm_size(template: PodTemplate) -> str:
    """Half of the memory limit, since what lies in /dev/shm counts against it; 1 GiB where there is none."""
    limit = template.resources.limits.get("memory")
    size = _SHM_DEFAULT if limit is None else min(_bytes(str(limit)) // 2, _SHM_CAP)
    return f"{max(size >> 20, 1)}Mi"


def _bytes(quantity: str) -> int:
    """A Kubernetes quantity in whole units, at most what Kubernetes itself makes of a larger one.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"([+-]?[0-9.]+)(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE]?)|[eE]([+-]?\d+))", quantity)
    if not match:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, binary, decimal, exponent = match.groups()
    # As text, since float("1e400") is infinite where 10.0**400 raises.
    size = float(f"{number}e{exponent or _DECIMAL[decimal or '']}") * _BINARY.get(binary, 1)
    return int(min(size, _MAX_QUANTITY))
