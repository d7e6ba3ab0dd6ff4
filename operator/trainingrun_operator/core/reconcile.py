"""One pure decision: what is observed of a run -> what is to be done about it.

The state that decisions rest on is in the status (which stage, which attempt, which failure was already counted), in
the Jobs (found by deterministic names) and in their pods. Each visit may be repeated at any point: the operator can die
between any two of its writes, and the next visit makes the same decision again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from trainingrun_operator.core import outcome
from trainingrun_operator.core.failures import Diagnosis, Evidence, diagnose, judge, retry_time
from trainingrun_operator.core.jobs import build_job, build_service, worker_image
from trainingrun_operator.core.names import job_name
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import CreateError, Event, Observed, Plan, ProgressUpdate
from trainingrun_operator.core.progress.report import finished
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Attempts, ConditionType, LastFailure, Phase, Reason, Stage, Status
from trainingrun_operator.core.status import FAILURE_BYTES, Picture, clip, render
from trainingrun_operator.core.waiting import Situation, situation

# Level-triggered: a visit costs microseconds, and heals whatever an event was missed for.
RESYNC = timedelta(minutes=5)
_WHILE_RUNNING = timedelta(minutes=1)
_SOON = timedelta(seconds=5)
_REFUSED = timedelta(seconds=30)
_WORTH_TELLING = (Reason.WAITING_FOR_GPU, Reason.WAITING_FOR_NODE, Reason.SUSPENDED)


def reconcile(observed: Observed, now: datetime) -> Plan:
    """Decides.

    Terminal is latched: a run that has succeeded or failed gets an empty plan whatever its Jobs and pods do afterwards.
    """
    run = observed.run
    if run.deleting or run.status.is_terminal:
        return Plan()
    if run.status.start_time is None:
        return _accept(observed, now)
    stage = current_stage(run.status)
    attempt = run.status.attempts.of(stage)
    if attempt == 0 or _already_diagnosed(run.status, stage, attempt):
        return _begin(observed, stage, attempt + 1, now)
    return _follow(observed, stage, attempt, now)


def current_stage(status: Status) -> Stage:
    """The stage that is worked on: training, once there is a dataset."""
    return Stage.PREPROCESS if status.dataset is None else Stage.TRAIN


def relevant_jobs(run: Run) -> tuple[str, ...]:
    """Names of the Jobs that the next decision rests on: the controller looks live for those it has not seen."""
    status = run.status
    if status.is_terminal or status.start_time is None:
        return ()
    stage = current_stage(status)
    attempt = status.attempts.of(stage)
    begins = attempt == 0 or _already_diagnosed(status, stage, attempt)
    numbers = (attempt, attempt + 1) if begins else (attempt,)
    return tuple(job_name(run, stage, number) for number in numbers if number > 0)


def _accept(observed: Observed, now: datetime) -> Plan:
    """The first visits. No Job is made before the API server has stored `startTime`, which freezes the spec."""
    run = observed.run
    picture = _picture(run, Phase.PENDING, Reason.ACCEPTED, "the run was accepted", stage=Stage.PREPROCESS)
    if run.spec.suspend:
        picture = replace(picture, phase=Phase.SUSPENDED, reason=Reason.SUSPENDED, message=_suspended_words())
        return _finish(observed, picture, now, requeue_after=RESYNC)
    image = worker_image(run, observed.defaults)
    if not image:
        message = "spec.image is not set and the operator was installed without a default image; set spec.image"
        picture = replace(picture, reason=Reason.NO_IMAGE, message=message, stalled=True)
        event = Event(reason=Reason.NO_IMAGE, message=message, key="no-image", warning=True)
        return _finish(observed, picture, now, events=(event,), requeue_after=RESYNC)
    picture = replace(picture, start_time=now.replace(microsecond=0), image=image)
    event = Event(reason="Started", message="the run was accepted; its spec is immutable from now on", key="started")
    return _finish(observed, picture, now, events=(event,), requeue_after=timedelta(0))


def _begin(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan:
    """Starts an attempt, when its time has come."""
    run, status = observed.run, observed.run.status
    name = job_name(run, stage, attempt)
    existing = observed.job(name)
    if existing is not None and existing.owner_uid != run.uid:
        return _conflict(observed, stage, existing, now)
    held_back = None if existing else _hold_back(observed, stage, attempt, now)
    if held_back is not None:
        return held_back
    counters = {str(stage): attempt, "total": status.attempts.total + 1}
    attempts = status.attempts.model_copy(update=counters)
    words = f"{stage} attempt {attempt} starts"
    picture = _picture(run, Phase.PENDING, Reason.STARTING, words, stage=stage, attempts=attempts, job=name)
    picture = replace(picture, next_retry_time=None, node=None)
    event = Event(reason="JobCreated", message=f"created Job {name}", key=f"created-{name}")
    resume_from = run.spec.training.resume_from
    if attempt > 1 and status.resume_points:
        resume_from = "auto"
    create: tuple[dict[str, Any], ...] = ()
    services: tuple[dict[str, Any], ...] = ()
    if existing is None:
        if stage is Stage.TRAIN and run.parallelism(stage) > 1:
            services = (build_service(run),)
        try:
            create = (build_job(run, stage, attempt, observed.defaults, resume_from=resume_from),)
        except ValueError as error:
            return _refused(observed, stage, CreateError(job_name=name, message=str(error), permanent=True), now)
    # Who adopts a Job that exists has to look at it at once.
    after = timedelta(0) if existing else RESYNC
    plan = _finish(observed, picture, now, create=create, events=(event,), requeue_after=after)
    return replace(plan, services=services)


def _hold_back(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan | None:
    """What to do instead of starting an attempt, where something is in its way."""
    run, status = observed.run, observed.run.status
    if run.spec.suspend:
        picture = _picture(run, Phase.SUSPENDED, Reason.SUSPENDED, _suspended_words(), stage=stage)
        return _finish(observed, picture, now, requeue_after=RESYNC)
    if status.next_retry_time and now < status.next_retry_time:
        failure = status.last_failure
        words = _retry_words(attempt, failure.message if failure else "")
        reason = failure.failure_class if failure else Reason.RETRYING
        picture = _picture(run, Phase.RETRYING, reason, words, stage=stage)
        return _finish(observed, picture, now, requeue_after=status.next_retry_time - now)
    predecessor = _still_at_work(observed, stage, attempt - 1) if attempt > 1 else ""
    if predecessor:
        words = f"attempt {attempt} waits for {predecessor} to end"
        picture = _picture(run, Phase.RETRYING, Reason.RETRYING, words, stage=stage)
        return _finish(observed, picture, now, requeue_after=_SOON)
    error = observed.create_error
    if error is not None and error.job_name == job_name(run, stage, attempt):
        return _refused(observed, stage, error, now)
    return None


def _still_at_work(observed: Observed, stage: Stage, attempt: int) -> str:
    """What is left of an attempt and still alive; two pods of one run would write the same checkpoints.

    A pod counts by its label alone: one whose Job was deleted has lost its owner reference and works on.
    """
    job = observed.job(job_name(observed.run, stage, attempt))
    if job is not None and job.owner_uid == observed.run.uid and not job.finished:
        return f"Job {job.name}"
    return next((f"pod {pod.name}" for pod in observed.pods if not (pod.gone or pod.terminal)), "")


def _follow(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan:
    """Looks after the Job of an attempt that has begun."""
    run = observed.run
    job = observed.job(job_name(run, stage, attempt))
    if job is None:
        return _failed(observed, Evidence.of(stage, None, None), attempt, now)
    if job.owner_uid != run.uid:
        return _conflict(observed, stage, job, now)
    if job.finished:
        return _ended(observed, stage, job, attempt, now)
    return _unfinished(observed, stage, job, attempt, now)


def _ended(observed: Observed, stage: Stage, job: JobView, attempt: int, now: datetime) -> Plan:
    """Reads the result of a Job that has ended: the Job says that it did, only its pods say what came of it."""
    pods = observed.pods_of(job)
    result = outcome.published(stage, job, pods)
    if result is not None:
        return _stage_done(observed, result, attempt, now)
    return _failed(observed, outcome.failed(stage, job, pods), attempt, now)


def _unfinished(observed: Observed, stage: Stage, job: JobView, attempt: int, now: datetime) -> Plan:
    run = observed.run
    pods = observed.pods_of(job)
    culprit = outcome.broken(job, pods)
    if culprit is not None and not (job.suspended or run.spec.suspend):
        return _failed(observed, Evidence.of(stage, job, culprit), attempt, now)
    suspend: tuple[tuple[str, bool], ...] = ()
    if job.suspended != run.spec.suspend and not job.queued_by_kueue:
        suspend = ((job.name, run.spec.suspend),)
    where = situation(run, stage, job, pods, now)
    picture = _picture(run, where.phase, where.reason, where.message, stage=stage, job=job.name)
    picture = replace(picture, node=where.node or picture.node, stalled=where.stalled, running=where.running)
    after = _WHILE_RUNNING if where.running else RESYNC
    return _finish(observed, picture, now, suspend=suspend, events=_told(run, where, job), requeue_after=after)


def _told(run: Run, where: Situation, job: JobView) -> tuple[Event, ...]:
    """An Event when the run begins to wait for something, or when its worker starts."""
    old = run.status.condition(ConditionType.SUCCEEDED)
    worth_telling = where.running or where.stalled or where.reason in _WORTH_TELLING
    if not worth_telling or (old is not None and old.reason == where.reason):
        return ()
    reason = where.reason
    if where.running:
        reason = "TrainingStarted" if where.phase is Phase.TRAINING else "PreprocessStarted"
    return (Event(reason=reason, message=where.message, key=f"{reason}-{job.name}", warning=where.stalled),)


def _stage_done(observed: Observed, evidence: Evidence, attempt: int, now: datetime) -> Plan:
    run, stage, pod, said = observed.run, evidence.stage, evidence.pod, evidence.said
    if pod is None or said is None:
        raise ValueError("a stage is done only by a termination message")
    if stage is Stage.PREPROCESS:
        words = "the dataset is ready; training starts"
        picture = _picture(run, Phase.PENDING, Reason.DATASET_PUBLISHED, words, stage=Stage.TRAIN)
        picture = replace(picture, dataset=said.dataset, job=None, node=None)
        words = f"preprocess published {said.dataset.manifest}" if said.dataset else ""
        if said.dataset and said.dataset.report:
            words += f"; look it over: {said.dataset.report}"
        event = Event(reason="DatasetReady", message=words, key="dataset")
        cleared = ProgressUpdate(report=None)
        return _finish(observed, picture, now, progress=cleared, events=(event,), requeue_after=timedelta(0))
    words = f"the model is at {said.model.uri}" if said.model else ""
    picture = _picture(run, Phase.SUCCEEDED, Reason.MODEL_PUBLISHED, words, stage=Stage.DONE)
    picture = replace(picture, model=said.model, node=pod.node or picture.node)
    last_report = ProgressUpdate(report=finished(run, stage, attempt, said.progress), pod_uid=pod.uid)
    event = Event(reason="Succeeded", message=words, key="succeeded")
    return _finish(observed, picture, now, progress=last_report, events=(event,))


def _failed(observed: Observed, evidence: Evidence, attempt: int, now: datetime) -> Plan:
    """Latches what an attempt failed of, once, and decides whether another follows."""
    run, status, stage = observed.run, observed.run.status, evidence.stage
    diagnosis = diagnose(evidence)
    iteration = max((point.iteration for point in status.resume_points), default=0)
    last = status.last_failure
    verdict = judge(
        diagnosis,
        last,
        stage,
        counted=status.attempts.counted,
        limit=run.spec.retry.limit,
        progressed=last is not None and iteration > last.iteration,
    )
    failure = _last_failure(evidence, diagnosis, attempt, now, consecutive=verdict.consecutive, iteration=iteration)
    attempts = status.attempts.model_copy(
        update={"counted": verdict.counted, "disrupted": status.attempts.disrupted + (not diagnosis.counted)}
    )
    progress = None
    # A shard's last word is of its own share alone; of a training's nodes the first speaks for all.
    speakers = (None, 0) if stage is Stage.TRAIN else (None,)
    if evidence.said and evidence.said.progress and evidence.pod and evidence.pod.index in speakers:
        progress = ProgressUpdate(report=evidence.said.progress, pod_uid=evidence.pod.uid)
    event = Event(
        reason=diagnosis.failure_class,
        message=f"{stage} attempt {attempt} failed: {diagnosis.message}",
        key=f"failed-{stage}-{attempt}",
        warning=True,
    )
    if verdict.retry:
        backoff = run.spec.retry.backoff
        at = retry_time(now.replace(microsecond=0), backoff, verdict.consecutive, run.uid, stage, attempt)
        words = _retry_words(attempt + 1, clip(diagnosis.message, FAILURE_BYTES))
        picture = _picture(run, Phase.RETRYING, diagnosis.failure_class, words, stage=stage, attempts=attempts)
        picture = replace(picture, last_failure=failure, next_retry_time=at, node=diagnosis.node or picture.node)
        return _finish(observed, picture, now, progress=progress, events=(event,), requeue_after=at - now)
    words = diagnosis.message
    reason: str = diagnosis.failure_class
    if verdict.because:
        words = f"{diagnosis.failure_class}: {words}; {verdict.because}"
        reason = Reason.RETRY_LIMIT_REACHED if verdict.limit_reached else reason
    picture = _picture(run, Phase.FAILED, reason, words, stage=stage, attempts=attempts)
    picture = replace(picture, last_failure=failure, next_retry_time=None, node=diagnosis.node or picture.node)
    gave_up = Event(reason="Failed", message=words, key="failed", warning=True)
    return _finish(observed, picture, now, progress=progress, events=(event, gave_up))


def _last_failure(
    evidence: Evidence, diagnosis: Diagnosis, attempt: int, now: datetime, *, consecutive: int, iteration: int
) -> LastFailure:
    seen = (evidence.pod and evidence.pod.finished_at) or (evidence.job and evidence.job.finished_at) or now
    return LastFailure(
        stage=evidence.stage,
        attempt=attempt,
        failure_class=diagnosis.failure_class,
        reason=diagnosis.reason,
        message=diagnosis.message,
        exit_code=diagnosis.exit_code,
        node=diagnosis.node,
        time=seen.replace(microsecond=0),
        consecutive=consecutive,
        iteration=iteration,
    )


def _conflict(observed: Observed, stage: Stage, job: JobView, now: datetime) -> Plan:
    words = f"Job {job.name} exists and belongs to someone else; delete it and create another TrainingRun"
    picture = _picture(observed.run, Phase.FAILED, Reason.JOB_CONFLICT, words, stage=stage)
    event = Event(reason=Reason.JOB_CONFLICT, message=words, key="conflict", warning=True)
    return _finish(observed, replace(picture, next_retry_time=None), now, events=(event,))


def _refused(observed: Observed, stage: Stage, error: CreateError, now: datetime) -> Plan:
    """The Job can't be made: for good if it is invalid, for now if a quota or a policy forbids it."""
    words = f"Job {error.job_name} can't be created: {error.message}"
    phase = Phase.FAILED if error.permanent else Phase.PENDING
    picture = _picture(observed.run, phase, Reason.JOB_REJECTED, words, stage=stage)
    event = Event(reason=Reason.JOB_REJECTED, message=words, key=f"rejected-{error.job_name}", warning=True)
    picture = replace(picture, stalled=not error.permanent)
    after = None if error.permanent else _REFUSED
    return _finish(observed, picture, now, events=(event,), requeue_after=after)


def _already_diagnosed(status: Status, stage: Stage, attempt: int) -> bool:
    failure = status.last_failure
    return failure is not None and (failure.stage, failure.attempt) == (stage, attempt)


def _retry_words(attempt: int, message: str) -> str:
    return f"attempt {attempt} follows; the last one failed: {message}"


def _suspended_words() -> str:
    return "spec.suspend is true; set it to false to go on"


def _picture(
    run: Run,
    phase: Phase,
    reason: str,
    message: str,
    *,
    stage: Stage,
    attempts: Attempts | None = None,
    job: str | None = None,
) -> Picture:
    """What was known before, with a new phase."""
    status = run.status
    return Picture(
        phase=phase,
        reason=str(reason),
        message=message,
        stage=stage,
        image=status.image,
        start_time=status.start_time,
        attempts=attempts or status.attempts,
        last_failure=status.last_failure,
        next_retry_time=status.next_retry_time,
        dataset=status.dataset,
        model=status.model,
        node=status.node,
        job=job or status.job,
    )


def _finish(
    observed: Observed,
    picture: Picture,
    now: datetime,
    *,
    create: tuple[dict[str, Any], ...] = (),
    suspend: tuple[tuple[str, bool], ...] = (),
    progress: ProgressUpdate | None = None,
    events: tuple[Event, ...] = (),
    requeue_after: timedelta | None = None,
) -> Plan:
    status = render(observed.run, picture, now)
    differs = status.without_progress() != observed.run.status.without_progress()
    return Plan(
        create=create,
        suspend=suspend,
        progress=progress,
        status=status if differs else None,
        # An Event tells of a change; without one there is nothing to tell.
        events=events if differs else (),
        requeue_after=requeue_after,
    )
