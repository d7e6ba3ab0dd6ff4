"""The headless Service of a training over several nodes."""

from __future__ import annotations

from typing import Any

from trainingrun_operator.core.jobs.owner import owner_reference
from trainingrun_operator.core.names import LABEL_RUN, LABEL_RUN_UID, LABEL_STAGE, service_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


def build_service(run: Run) -> dict[str, Any]:
    """One Service for all attempts of the run: its pods find each other by it."""
    labels = {LABEL_RUN: run.name, LABEL_RUN_UID: run.uid, LABEL_STAGE: str(Stage.TRAIN)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(run),
            "namespace": run.namespace,
            "labels": {**labels, "app.kubernetes.io/managed-by": "trainingrun-operator"},
            "ownerReferences": [owner_reference(run)],
        },
        "spec": {
            "clusterIP": "None",
            # They look for each other before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": {LABEL_RUN_UID: run.uid, LABEL_STAGE: str(Stage.TRAIN)},
        },
    }
