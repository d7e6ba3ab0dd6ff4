"""Where a pod may run, as its template says; and not again where the run has failed for its node's sake."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def placement(run: Run, stage: Stage) -> dict[str, Any]:
    """The fields of the pod's spec that the scheduler reads, as far as there is anything to say."""
    template = run.pod_template(stage)
    tolerations = list(template.tolerations)
    if stage is Stage.TRAIN:
        # Clouds keep other pods off GPU nodes by a taint named like the resource.
        tolerations.append({"key": run.spec.gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"})
    fields = {
        "runtimeClassName": template.runtime_class_name,
        "priorityClassName": template.priority_class_name,
        "schedulerName": template.scheduler_name,
        "nodeSelector": dict(template.node_selector),
        "affinity": _away_from(run.status.excluded_nodes, template.affinity),
        "topologySpreadConstraints": list(template.topology_spread_constraints),
        "tolerations": tolerations,
        "resourceClaims": [claim.to_json() for claim in template.resource_claims],
    }
    return {name: value for name, value in fields.items() if value}


def _away_from(nodes: Sequence[str], affinity: dict[str, Any]) -> dict[str, Any]:
    """Another node, if there is one: where all are excluded, a pod that must not run on them would wait for ever."""
    if not nodes:
        return affinity
    # By name, since the label kubernetes.io/hostname may hold another one. A field takes one value at a time.
    fields = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    merged = copy.deepcopy(affinity)
    preferred = merged.setdefault("nodeAffinity", {}).setdefault(_PREFERRED, [])
    preferred.append({"weight": 100, "preference": {"matchFields": fields}})
    return merged
