"""The owner reference of what a run creates: it is deleted with the run."""

from __future__ import annotations

from typing import Any

from trainingrun_operator.core.names import API_VERSION, KIND
from trainingrun_operator.core.resource.run import Run


def owner_reference(run: Run) -> dict[str, Any]:
    """The run as the controller of a child."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
