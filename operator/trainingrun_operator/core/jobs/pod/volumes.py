"""The volumes of a pod and where the worker finds them: the operator's own, and those of the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainingrun_operator.core.jobs.commands import CONFIG_DIR, PASSWORDS_DIR, PASSWORDS_KEY
from trainingrun_operator.core.jobs.pod.merge import merged
from trainingrun_operator.core.jobs.quantity import parse_quantity
from trainingrun_operator.core.names import audience
from trainingrun_operator.core.resource.pod_template import Resources, VolumeMount
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

TOKEN_DIR = "/var/run/secrets/trainingrun"  # noqa: S105  (a folder, no secret)
TOKEN_EXPIRATION_S = 3600
HOME = "/home/trainingrun"
CA_DIR = "/etc/trainingrun/ca"
_TMP: dict[str, Any] = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108
_SHM_DEFAULT = 1 << 30
_SHM_CAP = 16 << 30


def volumes(run: Run, stage: Stage, attempt: int, resources: Resources) -> list[dict[str, Any]]:
    """The pod's volumes.

    Args:
        resources: the worker's.

    Raises:
        ValueError: the memory limit is no quantity.
    """
    token = {
        "audience": audience(run.namespace, run.name, run.uid, stage, attempt),
        "expirationSeconds": TOKEN_EXPIRATION_S,
        "path": "token",
    }
    own = [
        {"name": "work", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "home", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _shm_size(resources)}},
        {"name": "progress-token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        *_files_of_the_user(run, stage).values(),
    ]
    return merged("name", [each.to_json() for each in run.pod_template(stage).volumes], own)


def worker_mounts(run: Run, stage: Stage) -> list[dict[str, Any]]:
    """Where the worker finds all of them."""
    own = [
        {"name": "work", "mountPath": "/work"},
        dict(_TMP),
        {"name": "home", "mountPath": HOME},
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        {"name": "progress-token", "mountPath": TOKEN_DIR, "readOnly": True},
        *(
            {"name": volume["name"], "mountPath": folder, "readOnly": True}
            for folder, volume in _files_of_the_user(run, stage).items()
        ),
    ]
    return _mounted(run.pod_template(stage).volume_mounts, own)


def init_mounts(wanted: Sequence[VolumeMount]) -> list[dict[str, Any]]:
    """Where an init container finds those that it names; of the operator's own it has a /tmp."""
    return _mounted(wanted, [dict(_TMP)])


def _mounted(wanted: Sequence[VolumeMount], own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return merged("mountPath", [mount.to_json() for mount in wanted], own)


def _files_of_the_user(run: Run, stage: Stage) -> dict[str, dict[str, Any]]:
    """Volumes with what the spec names in the namespace, by the folder that they are mounted at. Each holds the one key
    that is needed: the passwords of the documents for preprocess, the config for training, the CA of S3 for both.
    """
    passwords, config = run.spec.dataset.passwords_secret, run.spec.training.config_map
    authorities = run.spec.storage.ca_bundle_config_map
    found: dict[str, dict[str, Any]] = {}
    if stage is Stage.PREPROCESS and passwords:
        # For the worker's group, which fsGroup makes the owner.
        secret = {"secretName": passwords, "defaultMode": 0o440, "items": [_item(PASSWORDS_KEY)]}
        found[PASSWORDS_DIR] = {"name": "passwords", "secret": secret}
    if stage is Stage.TRAIN and config:
        found[CONFIG_DIR] = {"name": "config", "configMap": {"name": config.name, "items": [_item(config.key)]}}
    if authorities:
        files = {"name": authorities.name, "items": [_item(authorities.key)]}
        found[CA_DIR] = {"name": "ca-bundle", "configMap": files}
    return found


def _item(key: str) -> dict[str, str]:
    return {"key": key, "path": key}


def _shm_size(resources: Resources) -> str:
    """Half of the memory limit, since what lies in /dev/shm counts against it; 1 GiB where there is none."""
    limit = resources.limits.get("memory")
    size = _SHM_DEFAULT if limit is None else min(parse_quantity(str(limit)) // 2, _SHM_CAP)
    return f"{max(size >> 20, 1)}Mi"
