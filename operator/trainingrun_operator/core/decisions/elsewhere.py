"""A Job that another controller runs where its pods can't be seen, as MultiKueue does in another cluster.

Of its end the Job's own conditions are all that is known: no exit code, no termination message, no object in S3. A
worker exits with 0 only once it has published and verified, and a Job is Complete only where all its pods did. So the
run goes on, and the status says what that rests on, and claims no dataset and no model.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.status_update import calculate_status
from trainingrun_operator.core.decisions.decision import plan_status
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import Event, Observed, Plan
from trainingrun_operator.core.resource.status import Phase, Reason, Stage


def completed_elsewhere(observed: Observed, stage: Stage, job: JobView, now: datetime) -> Plan:
    """What follows from a Job that is Complete and has no pod in sight."""
    run = observed.run
    if stage is Stage.PREPROCESS:
        what, following, phase = "the dataset", Stage.TRAIN, Phase.PENDING
        where = f"s3://{run.spec.storage.bucket}/{run.spec.dataset.target_folder}/ttv/manifest.json"
    else:
        what, following, phase = "the model", Stage.DONE, Phase.SUCCEEDED
        where = f"{run.spec.training.model_output}.manifest.json"
    message = (
        f"Job {job.name} is Complete, says {job.managed_by}, which ran it where this operator sees no pods. A worker "
        f"ends so once it has published {what}, but nobody has looked: its manifest should be {where}"
    )
    summary = Summary(phase=phase, reason=Reason.COMPLETED_ELSEWHERE, message=message)
    status = calculate_status(run, summary, now, stage=following)
    event = Event(reason=Reason.COMPLETED_ELSEWHERE, message=message, key=f"elsewhere-{stage}")
    return plan_status(run, status, events=(event,), requeue_after=timedelta(0) if following is Stage.TRAIN else None)
