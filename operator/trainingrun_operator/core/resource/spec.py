"""A TrainingRun's spec as typed data: what somebody asked for.

The CRD (`crds/trainingruns.yaml`) is the authority on what is valid; these models read what the API server has already
validated and defaulted, and ignore fields that a newer CRD may add. A test holds the defaults here equal to the CRD's.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from trainingrun_operator.core.resource.base import Model
from trainingrun_operator.core.resource.pod_template import PodTemplate


class SecretName(Model):
    name: str


class Sse(Model):
    type: str
    kms_key_id: str | None = None


class CaBundle(Model):
    name: str
    key: str = "ca.crt"


class Storage(Model):
    bucket: str
    endpoint: str | None = None
    region: str | None = None
    credentials_secret: str | None = None
    ca_bundle_config_map: CaBundle | None = None
    sse: Sse | None = None


class Split(Model):
    train: int = 80
    val: int = 10
    test: int = 10
    seed: int = 0


class Dataset(Model):
    source_folder: str
    target_folder: str
    format: str = "auto"
    coordinates: str = "auto"
    frame: str = "auto"
    dpi: int = 120
    image_format: str = "jpeg"
    split: Split = Split()
    parallelism: int = 1
    max_failed_documents: int | str = "10%"
    passwords_secret: str | None = None


class Preprocess(Model):
    image: str | None = None
    pod_template: PodTemplate = PodTemplate()


class ConfigMapKey(Model):
    name: str
    key: str


class Training(Model):
    model_output: str
    config: str = "config_3_cls_w18.py"
    config_map: ConfigMapKey | None = None
    config_options: tuple[str, ...] = ()
    load_from: str | None = None
    resume_from: str = "auto"
    epochs: int = 20
    device: str = "cuda"
    amp: str = "none"
    publish: str = "last"
    demo: bool = False
    seed: int | None = None
    nodes: int = 1
    gpus_per_node: int = 1
    pod_template: PodTemplate = PodTemplate()


class Gpu(Model):
    resource_name: str = "nvidia.com/gpu"
    # The GPUs come by a claim of the train pods, in place of that resource.
    resource_claim: str | None = None

    def __str__(self) -> str:
        """What a pod asks for to get one."""
        return f"GPU of the claim {self.resource_claim}" if self.resource_claim else self.resource_name


class Checkpoints(Model):
    every_epochs: int = 1
    every_minutes: int = 15
    keep_last: int = 2
    keep_best: int = 1


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def _read_duration(value: object) -> object:
    """`1h2m3s` as the CRD allows it.

    Raises:
        ValueError: the text is no such duration (pydantic turns it into its own error).
    """
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if not match or not value:
        raise ValueError(f"{value!r} is not a duration like 1m30s")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


Duration = Annotated[timedelta, BeforeValidator(_read_duration)]


class OnOOM(Model):
    memory_factor: float = 1.5
    max_memory: str


class Retry(Model):
    limit: int = 3
    backoff: Duration = timedelta(seconds=10)
    on_oom: OnOOM | None = Field(None, alias="onOOM")


class Deadlines(Model):
    start: Duration | None = None
    progress: Duration = timedelta(hours=1)
    active: Duration | None = None


class Review(Model):
    required: bool = False
    approved: bool = False


class TimeToLive(Model):
    succeeded: int | None = None
    failed: int | None = None


class Spec(Model):
    storage: Storage
    dataset: Dataset
    training: Training
    image: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[SecretName, ...] = ()
    service_account_name: str | None = None
    preprocess: Preprocess = Preprocess()
    gpu: Gpu = Gpu()
    checkpoints: Checkpoints = Checkpoints()
    retry: Retry = Retry()
    deadlines: Deadlines = Deadlines()
    review: Review = Review()
    suspend: bool = False
    ttl_seconds_after_finished: TimeToLive = TimeToLive()
    managed_by: str | None = None
