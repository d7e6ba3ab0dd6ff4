"""A TrainingRun as a whole, read from the API server's plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from trainingrun_operator.core.resource.base import Model
from trainingrun_operator.core.resource.pod_template import PodTemplate
from trainingrun_operator.core.resource.spec import Spec
from trainingrun_operator.core.resource.status import Stage, Status


class Run(Model):
    """A TrainingRun as observed."""

    name: str
    namespace: str
    uid: str
    generation: int
    # As observed: a write that names it fails where the run has changed since.
    resource_version: str = ""
    labels: dict[str, str] = Field({})
    spec: Spec
    status: Status = Status()
    deleting: bool = False
    # Whoever deletes it wants its Jobs to stay.
    orphans_children: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Run:
        """Reads the object as the API server gives it.

        Raises:
            pydantic.ValidationError: it is not what the CRD promises.
        """
        meta = body["metadata"]
        return cls(
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            generation=meta.get("generation", 1),
            resource_version=meta.get("resourceVersion", ""),
            labels=meta.get("labels") or {},
            spec=Spec.model_validate(body["spec"]),
            status=Status.model_validate(body.get("status") or {}),
            deleting=bool(meta.get("deletionTimestamp")),
            orphans_children="orphan" in (meta.get("finalizers") or ()),
        )

    def parallelism(self, stage: Stage) -> int:
        """How many pods a stage's Job has at a time: the shards of preprocess, the nodes of a training."""
        return self.spec.dataset.parallelism if stage is Stage.PREPROCESS else self.spec.training.nodes

    def pod_template(self, stage: Stage) -> PodTemplate:
        """What the user wants of a stage's pods."""
        return (self.spec.preprocess if stage is Stage.PREPROCESS else self.spec.training).pod_template
