"""The variables of a pod's containers: the operator's own, merged over those of the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainingrun_operator.core.jobs.commands import literal
from trainingrun_operator.core.jobs.defaults import JobDefaults, worker_image
from trainingrun_operator.core.jobs.pod.merge import merged
from trainingrun_operator.core.jobs.pod.volumes import CA_DIR, HOME, TOKEN_DIR
from trainingrun_operator.core.names import job_name, service_name
from trainingrun_operator.core.resource.pod_template import Variable
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


def worker_environment(run: Run, stage: Stage, attempt: int, defaults: JobDefaults) -> list[dict[str, Any]]:
    """The template's, and over them the operator's own."""
    own = _own(run, stage, attempt, defaults)
    return merged("name", variables(run.pod_template(stage).env), own, _credentials(run))


def variables(wanted: Sequence[Variable]) -> list[dict[str, Any]]:
    """Those of a template."""
    return [
        {"name": each.name, "valueFrom": each.value_from}
        if each.value_from
        else {"name": each.name, "value": literal(each.value)}
        for each in wanted
    ]


def _own(run: Run, stage: Stage, attempt: int, defaults: JobDefaults) -> list[dict[str, Any]]:
    storage, sse, authorities = run.spec.storage, run.spec.storage.sse, run.spec.storage.ca_bundle_config_map
    values = {
        "HOME": HOME,
        "TMPDIR": "/tmp",  # noqa: S108
        "AWS_S3_ENDPOINT": storage.endpoint,
        "AWS_REGION": storage.region,
        "AWS_CA_BUNDLE": f"{CA_DIR}/{authorities.key}" if authorities else None,
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
    return [{"name": name, "value": literal(value)} for name, value in values.items() if value]


def _credentials(run: Run) -> list[dict[str, Any]]:
    secret = run.spec.storage.credentials_secret
    if not secret:
        return []
    references: list[dict[str, Any]] = [
        {"name": secret, "key": "AWS_ACCESS_KEY_ID"},
        {"name": secret, "key": "AWS_SECRET_ACCESS_KEY"},
        {"name": secret, "key": "AWS_SESSION_TOKEN", "optional": True},
    ]
    return [{"name": reference["key"], "valueFrom": {"secretKeyRef": reference}} for reference in references]
