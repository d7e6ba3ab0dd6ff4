"""What a stage's worker asks for."""

from __future__ import annotations

import json

from trainingrun_operator.core.jobs.memory import with_memory
from trainingrun_operator.core.names import short_hash
from trainingrun_operator.core.resource.pod_template import Resources
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


def worker_resources(run: Run, stage: Stage) -> Resources:
    """What the stage's next pods ask for, without GPUs: what the spec says, and more where just that was too little.

    Raises:
        ValueError: a quantity is none.
    """
    resources, status = run.pod_template(stage).resources, run.status
    raised = status.memory if stage is status.current_stage and status.memory_asked == resources.memory else None
    return resources if raised is None else with_memory(resources, raised)


def resources_hash(run: Run, stage: Stage) -> str:
    """By which it is told whether a Job still asks for that.

    Raises:
        ValueError: a quantity is none.
    """
    return short_hash(json.dumps(worker_resources(run, stage).to_json(), sort_keys=True))
