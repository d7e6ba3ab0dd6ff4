"""What somebody asks for the pods of a stage: the part of a PodTemplateSpec that the CRD allows.

What the operator does not decide on stays as plain data. Of volumes and init containers the fields are named here, so
that none but these ever gets into a pod, whatever an object of another CRD holds.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from trainingrun_operator.core.resource.base import Model

Plain = dict[str, Any]


class ContainerClaim(Model):
    """A claim of the pod that a container uses."""

    name: str
    request: str | None = None


class Resources(Model):
    requests: dict[str, str | int] = Field({})
    limits: dict[str, str | int] = Field({})
    claims: tuple[ContainerClaim, ...] = ()

    @property
    def memory(self) -> str:
        """What a container may use, or else what it is promised; empty where that is left open."""
        return str(self.limits.get("memory", self.requests.get("memory", "")))


class ResourceClaim(Model):
    """Devices of the pod, by Dynamic Resource Allocation."""

    name: str
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class Variable(Model):
    name: str
    value: str = ""
    value_from: Plain | None = None


class Volume(Model):
    """With one of the sources that Pod Security `restricted` allows."""

    name: str
    persistent_volume_claim: Plain | None = None
    config_map: Plain | None = None
    secret: Plain | None = None
    empty_dir: Plain | None = None
    projected: Plain | None = None
    csi: Plain | None = None
    ephemeral: Plain | None = None


class VolumeMount(Model):
    name: str
    mount_path: str
    sub_path: str | None = None
    read_only: bool | None = None


class InitContainer(Model):
    name: str
    image: str
    image_pull_policy: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str | None = None
    env: tuple[Variable, ...] = ()
    env_from: tuple[Plain, ...] = ()
    resources: Resources = Resources()
    volume_mounts: tuple[VolumeMount, ...] = ()


class PodTemplate(Model):
    service_account_name: str | None = None
    resources: Resources = Resources()
    resource_claims: tuple[ResourceClaim, ...] = ()
    env: tuple[Variable, ...] = ()
    env_from: tuple[Plain, ...] = ()
    volumes: tuple[Volume, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    init_containers: tuple[InitContainer, ...] = ()
    termination_grace_period_seconds: int | None = None
    runtime_class_name: str | None = None
    priority_class_name: str | None = None
    scheduler_name: str | None = None
    node_selector: dict[str, str] = Field({})
    affinity: Plain = Field({})
    topology_spread_constraints: tuple[Plain, ...] = ()
    tolerations: tuple[Plain, ...] = ()
    labels: dict[str, str] = Field({})
    annotations: dict[str, str] = Field({})
