"""What follows where the API server does not take an object of a run.

A quota, a policy or a webhook may take it later, so it is tried again, ever less often. An object that is invalid never
will be: before the start the run waits for its spec to be edited, afterwards it has failed.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.status_update import calculate_status
from trainingrun_operator.core.decisions.decision import plan_status
from trainingrun_operator.core.plan import CreateError, Event, Plan
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Reason, Stage

_FIRST_RETRY = timedelta(seconds=30)
_LAST_RETRY = timedelta(minutes=10)

# Paths in a Job, and the spec fields that they are made of; {} is the stage's own part of the spec.
_SPEC_FIELDS = tuple(
    (re.compile(path), field)
    for path, field in (
        (r"(?:metadata|spec\.template(?:\.metadata)?)\.(labels|annotations)\b(.*)", r"{}.podTemplate.\1\2"),
        (r"spec\.template\.spec\.containers\[0\]\.env\[\d+\]\.valueFrom\..*", "spec.storage.credentialsSecret"),
        (r"spec\.template\.spec\.containers\[0\]\.env\b.*", "{}.podTemplate.env"),
        (r"spec\.template\.spec\.containers\[0\]\.image", "spec.image"),
        (r"spec\.template\.spec\.containers\[0\]\.(.*)", r"{}.podTemplate.\1"),
        (r"spec\.template\.spec\.(serviceAccountName|imagePullSecrets)\b(.*)", r"spec.\1\2"),
        (r"spec\.template\.spec\.volumes\[\d+\]\.secret\..*", "spec.dataset.passwordsSecret"),
        (r"spec\.template\.spec\.volumes\[\d+\]\.configMap\..*", "spec.training.configMap"),
        (r"spec\.template\.spec\.(.*)", r"{}.podTemplate.\1"),
    )
)
# A whole map in the API server's words leaves no room for what it says of it.
_MAP = re.compile(r"^Invalid value: \{.*\}: ")


def rejected(run: Run, error: CreateError, now: datetime) -> Plan:
    """Decides: for good if the object is invalid, for now if somebody forbids it."""
    started = run.status.start_time is not None
    failed = error.permanent and started
    message = f"{error.kind} {error.name} can't be created: {explain(error)}"
    if error.permanent and not started:
        message = f"change the spec, and the run starts: the {error.kind} of {error.stage} is invalid: {explain(error)}"
    summary = Summary(
        phase=Phase.FAILED if failed else Phase.PENDING,
        reason=Reason.JOB_REJECTED,
        message=message,
        stalled=not failed,
    )
    # Each edit may be wrong in another way.
    key = f"rejected-{error.name}-{run.generation}"
    event = Event(reason=Reason.JOB_REJECTED, message=message, key=key, warning=True)
    status = calculate_status(run, summary, now, stage=error.stage if started else Stage.PREPROCESS)
    # An edit of the spec is seen; until then nothing about an invalid object changes.
    after = None if error.permanent else min(_FIRST_RETRY * 2 ** min(error.times_before, 10), _LAST_RETRY)
    return plan_status(run, status, events=(event,), requeue_after=after)


def explain(error: CreateError) -> str:
    """The API server's words, with the spec's fields for the Job's, as far as they can be told."""
    told = (f"{spec_field(path, error.stage)}: {_MAP.sub('', words)}" for path, words in error.causes)
    # What a Job and its pods share is objected to in both.
    return "; ".join(dict.fromkeys(told)) or error.message


def spec_field(path: str, stage: Stage) -> str:
    """The field of the spec that a Job's is made of; the Job's own where none is known."""
    part = "spec.training" if stage is Stage.TRAIN else "spec.preprocess"
    for pattern, field in _SPEC_FIELDS:
        match = pattern.fullmatch(path)
        if match:
            return match.expand(field.format(part))
    return path
