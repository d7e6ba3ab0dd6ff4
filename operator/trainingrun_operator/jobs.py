"""Builds the preprocess Job and the train Job as plain data. Pure; golden-file tested.

The pods satisfy the Pod Security Standard `restricted`. What they are given is the contract "What a worker pod gets" of
docs/architecture.md.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from trainingrun_operator.api import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_RUN,
    LABEL_RUN_UID,
    LABEL_STAGE,
    WORKER_CONTAINER,
    PodTemplate,
    Run,
    Stage,
)
from trainingrun_operator.failures import PERMANENT_EXIT_CODES
from trainingrun_operator.progress import audience, short_hash

# The image's own user; the chart's and the image's tests hold it equal.
WORKER_UID = 65532
TOKEN_DIR = "/var/run/secrets/trainingrun"  # noqa: S105  (a folder, no secret)
TOKEN_EXPIRATION_S = 3600
HOME = "/home/trainingrun"
GRACE_PERIOD_S = {Stage.PREPROCESS: 30, Stage.TRAIN: 120}
_SHM_DEFAULT = 1 << 30
_SHM_CAP = 16 << 30
_MAX_QUANTITY = 2**63 - 1
_MAX_NAME = 63
_BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@dataclass(frozen=True, kw_only=True)
class JobDefaults:
    """What the operator was installed with. Without a gateway URL the workers report nowhere."""

    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    gateway_url: str = ""
    gateway_ca: str = ""


def job_name(run: Run, stage: Stage, attempt: int) -> str:
    """The same for the same run, stage and attempt, so that no restart makes a second Job.

    The hash of the UID tells a run from a deleted one of the same name.
    """
    suffix = f"-{stage}-{attempt}-{short_hash(run.uid)}"
    return run.name.replace(".", "-")[: _MAX_NAME - len(suffix)].rstrip("-") + suffix


def worker_image(run: Run, defaults: JobDefaults) -> str:
    """What the run started with, also when the operator was installed anew with another default since."""
    return run.status.image or run.spec.image or defaults.image


def checkpoint_prefix(run: Run) -> str:
    """Where the run's checkpoints go: beside the model, and apart from those of a deleted run of the same name."""
    bucket, _, key = run.spec.training.model_output.removeprefix("s3://").partition("/")
    folder = key.rpartition("/")[0]
    return f"s3://{bucket}/{folder + '/' if folder else ''}checkpoints/{run.name}-{run.uid}/"


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
    command = _train_command(run, resume_from) if stage is Stage.TRAIN else _preprocess_command(run)
    container = _container(run=run, stage=stage, attempt=attempt, template=template, defaults=defaults, command=command)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run, stage, attempt),
            "namespace": run.namespace,
            **metadata,
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": run.name,
                    "uid": run.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
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
        "env": _environment(run, attempt, defaults),
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
    if spec.service_account_name:
        pod["serviceAccountName"] = spec.service_account_name
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [secret.to_json() for secret in spec.image_pull_secrets]
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if tolerations:
        pod["tolerations"] = tolerations
    return pod


def _environment(run: Run, attempt: int, defaults: JobDefaults) -> list[dict[str, Any]]:
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


def _preprocess_command(run: Run) -> list[str]:
    dataset, split = run.spec.dataset, run.spec.dataset.split
    command = ["python3", "-m", "training.preprocess"]
    command += ["--working_dir", "/work/preprocess", "--s3_bucket", run.spec.storage.bucket]
    command += ["--s3_source_folder", dataset.source_folder, "--s3_target_folder", dataset.target_folder]
    command += ["--verbose=True", "--dpi", str(dataset.dpi)]
    command += ["--split", f"{split.train},{split.val},{split.test}", "--seed", str(split.seed)]
    return [part.replace("$(", "$$(") for part in command]


def _train_command(run: Run, resume_from: str) -> list[str]:
    training = run.spec.training
    command = ["python3", "-m", "training.train"]
    command += [f"s3://{run.spec.storage.bucket}/{run.spec.dataset.target_folder}/ttv", "/work/train"]
    command += ["--config", training.config, "--num-epoch", str(training.epochs)]
    command += ["--model_output", training.model_output, "--demo", str(training.demo)]
    if training.load_from:
        command += ["--load-from", training.load_from]
    command += ["--resume-from", resume_from, "--checkpoint-output", checkpoint_prefix(run)]
    if training.seed is not None:
        command += ["--seed", str(training.seed)]
    return [part.replace("$(", "$$(") for part in command]


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
