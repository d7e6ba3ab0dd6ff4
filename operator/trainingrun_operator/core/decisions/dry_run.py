"""What the API server must take before a run starts: nothing is prepared for hours that can't be trained.

The objects are those of the first attempts. Runs of a kind differ in names, addresses and command lines alone, which no
API server objects to, so their objects have one digest and need be tried once.
"""

from __future__ import annotations

import json
from typing import Any

from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.jobs.service import build_service
from trainingrun_operator.core.names import job_name, short_hash
from trainingrun_operator.core.plan import CreateError, Observed, Trial
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

_DIGEST_LENGTH = 32


def objects_to_try(observed: Observed) -> tuple[Trial, ...] | CreateError:
    """The Jobs of both stages, and the Service of a training over several nodes; or why they can't be written down."""
    run = observed.run
    # Of no run in particular: all names, labels and addresses follow from these two.
    anonymous = run.model_copy(update={"name": "run", "uid": "uid"})
    trials = []
    for stage in (Stage.PREPROCESS, Stage.TRAIN):
        try:
            job, like = (_first_job(observed, each, stage) for each in (run, anonymous))
        except ValueError as error:
            return CreateError(name=job_name(run, stage, 1), stage=stage, message=str(error), permanent=True)
        trials.append(Trial(manifest=job, digest=digest(like)))
    if run.parallelism(Stage.TRAIN) > 1:
        trials.append(Trial(manifest=build_service(run), digest=digest(build_service(anonymous))))
    return tuple(trials)


def _first_job(observed: Observed, run: Run, stage: Stage) -> dict[str, Any]:
    return build_job(run, stage, 1, observed.defaults, resume_from=run.spec.training.resume_from)


def digest(manifest: dict[str, Any]) -> str:
    """Of all that decides whether an object is valid: not what a container is called with."""
    spec = manifest["spec"]
    if "template" in spec:
        pod = spec["template"]["spec"]
        containers = [{**each, "command": None, "env": _without_values(each["env"])} for each in pod["containers"]]
        spec = {**spec, "template": {**spec["template"], "spec": {**pod, "containers": containers}}}
    return short_hash(json.dumps({**manifest, "spec": spec}, sort_keys=True), length=_DIGEST_LENGTH)


def _without_values(env: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**variable, "value": None} for variable in env]
