"""One pure decision: what is observed of a run -> what is to be done about it.

The state that decisions rest on is in the status (which stage, which attempt, which failure was already counted), in
the Jobs (found by deterministic names) and in their pods. Each visit may be repeated at any point: the operator can die
between any two of its writes, and the next visit makes the same decision again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from trainingrun_operator.core.attempt import attempt_is_over, job_of_attempt
from trainingrun_operator.core.conditions.announcement import announced
from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.held import SUSPENDED
from trainingrun_operator.core.conditions.status_update import calculate_status
from trainingrun_operator.core.conditions.waiting import behind, summarize, unreachable
from trainingrun_operator.core.deadlines import active_deadline, start_deadline
from trainingrun_operator.core.decisions.decision import plan_status
from trainingrun_operator.core.decisions.dry_run import objects_to_try
from trainingrun_operator.core.decisions.elsewhere import completed_elsewhere
from trainingrun_operator.core.decisions.failed_attempt import attempt_failed, retrying
from trainingrun_operator.core.decisions.overdue import in_time, not_started, out_of_time
from trainingrun_operator.core.decisions.rejection import rejected
from trainingrun_operator.core.decisions.replacement import is_outdated, replace_attempt, replaced_jobs
from trainingrun_operator.core.decisions.review import awaiting_review, awaits_review, review_event
from trainingrun_operator.core.events import (
    events_of_disruptions,
    events_of_stop,
    events_of_summary,
    events_of_warnings,
)
from trainingrun_operator.core.failures import outcome
from trainingrun_operator.core.failures.disruptions import find_disruptions, was_stopped
from trainingrun_operator.core.failures.finished_attempt import FinishedAttempt
from trainingrun_operator.core.jobs.defaults import worker_image
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.jobs.service import build_service
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.places import Claim
from trainingrun_operator.core.plan import CreateError, Event, Observed, Plan, ProgressUpdate
from trainingrun_operator.core.progress.report import final_report
from trainingrun_operator.core.queueing.suspend import with_the_runs_wish
from trainingrun_operator.core.resource.status import JobRecord, Phase, Reason, Stage
from trainingrun_operator.core.usage import count_usage

# Level-triggered: a visit costs microseconds, and heals whatever an event was missed for.
RESYNC = timedelta(minutes=5)
_RESYNC_WHILE_RUNNING = timedelta(minutes=1)
_POLL_PREDECESSOR = timedelta(seconds=5)  # and ever less often, the longer it takes


def reconcile(observed: Observed, now: datetime) -> Plan:
    """Decides.

    Terminal is latched: a run that has succeeded or failed gets an empty plan whatever its Jobs and pods do afterwards.
    """
    return count_usage(observed, _decide(observed, now), now)


def _decide(observed: Observed, now: datetime) -> Plan:
    run = observed.run
    if run.deleting or run.status.is_terminal:
        return Plan()
    if run.status.start_time is None:
        return _accept(observed, now)
    stage = run.status.current_stage
    attempt = run.status.attempts.of(stage)
    plan = out_of_time(observed, stage, attempt, now)
    if plan is None and attempt_is_over(run.status, stage, attempt):
        plan = _begin_attempt(observed, stage, attempt + 1, now)
    return in_time(plan or _follow_attempt(observed, stage, attempt, now), run, now)


def _accept(observed: Observed, now: datetime) -> Plan:
    """The first visits. No Job is made before the API server has stored `startTime`, which freezes the spec."""
    run = observed.run
    if run.spec.suspend:
        return plan_status(run, calculate_status(run, SUSPENDED, now, stage=Stage.PREPROCESS), requeue_after=RESYNC)
    image = worker_image(run, Stage.TRAIN, observed.defaults)
    if not image:
        message = "spec.image is not set and the operator was installed without a default image; set spec.image"
        summary = Summary(phase=Phase.PENDING, reason=Reason.NO_IMAGE, message=message, stalled=True)
        event = Event(reason=Reason.NO_IMAGE, message=message, key="no-image", warning=True)
        status = calculate_status(run, summary, now, stage=Stage.PREPROCESS)
        return plan_status(run, status, events=(event,), requeue_after=RESYNC)
    tried = observed.create_error or objects_to_try(observed)
    if isinstance(tried, CreateError):
        return rejected(run, tried, now)
    summary = Summary(phase=Phase.PENDING, reason=Reason.ACCEPTED, message="the run was accepted")
    event = Event(reason="Started", message="the run was accepted; its spec is immutable from now on", key="started")
    status = calculate_status(
        run,
        summary,
        now,
        stage=Stage.PREPROCESS,
        image=image,
        preprocess_image=worker_image(run, Stage.PREPROCESS, observed.defaults),
    )
    return replace(plan_status(run, status, events=(event,), requeue_after=timedelta(0)), tries=tried)


def _begin_attempt(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan:
    """Begins an attempt, when its time has come."""
    run = observed.run
    name = job_of_attempt(run, stage, attempt)
    existing = observed.job(name)
    if existing is not None and existing.owner_uid != run.uid:
        return _job_conflict(observed, stage, existing, now)
    delayed = None if existing else _delay_attempt(observed, stage, attempt, now)
    if delayed is not None:
        return delayed
    if existing is not None:
        return _adopt(observed, stage, attempt, name, now)
    try:
        job = _job_manifest(observed, stage, attempt)
    except ValueError as error:
        return rejected(run, CreateError(name=name, stage=stage, message=str(error), permanent=True), now)
    services = (build_service(run),) if stage is Stage.TRAIN and run.parallelism(stage) > 1 else ()
    event = Event(reason="JobCreated", message=f"created Job {name}", key=f"created-{name}")
    return Plan(services=services, create=(job,), events=(event,), requeue_after=timedelta(0))


def _adopt(observed: Observed, stage: Stage, attempt: int, name: str, now: datetime) -> Plan:
    """Follows the Job of an attempt that the status does not tell of yet: the attempt and where it stands are one
    write.
    """
    run, old = observed.run, observed.run.status
    summary = Summary(phase=Phase.PENDING, reason=Reason.STARTING, message=f"{stage} attempt {attempt} starts")
    attempts = old.attempts.with_new(stage, attempt)
    job = JobRecord(name=name, stage=stage, attempt=attempt)
    begun = calculate_status(run, summary, now, stage=stage, attempts=attempts, new_job=job)
    # The conditions are still those of before, so that what the Job shows is news.
    status = begun.model_copy(update={"conditions": old.conditions})
    plan = _follow_attempt(replace(observed, run=run.model_copy(update={"status": status})), stage, attempt, now)
    return plan if plan.status is not None else replace(plan, status=begun)


def _job_manifest(observed: Observed, stage: Stage, attempt: int) -> dict[str, Any]:
    run = observed.run
    has_own_checkpoints = attempt > 1 and run.status.resume_points
    resume_from = "auto" if has_own_checkpoints else run.spec.training.resume_from
    return build_job(run, stage, attempt, observed.defaults, resume_from=resume_from)


def _delay_attempt(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan | None:
    """What to do instead of beginning an attempt, where something is in its way."""
    run, status = observed.run, observed.run.status
    if run.spec.suspend:
        return plan_status(run, calculate_status(run, SUSPENDED, now, stage=stage), requeue_after=RESYNC)
    if stage is Stage.TRAIN and attempt == 1 and awaits_review(run):
        summary = awaiting_review(run, status.dataset)
        reviewed = calculate_status(run, summary, now, stage=stage)
        return plan_status(run, reviewed, events=review_event(run, summary), requeue_after=RESYNC)
    if status.next_retry_time and now < status.next_retry_time:
        failure = status.last_failure
        reason = failure.failure_class if failure else Reason.RETRYING
        summary = retrying(reason, attempt, failure.message if failure else "")
        wait = status.next_retry_time - now
        return plan_status(run, calculate_status(run, summary, now, stage=stage), requeue_after=wait)
    active = _active_part(observed, stage, attempt - 1)
    if active:
        return _await_end(observed, stage, attempt, active, now)
    if attempt == 1 and observed.ahead is not None:
        return _wait_behind(observed, stage, observed.ahead, now)
    error = observed.create_error
    return rejected(run, error, now) if error is not None and error.stage is stage else None


def _wait_behind(observed: Observed, stage: Stage, ahead: Claim, now: datetime) -> Plan:
    summary = behind(ahead)
    event = Event(reason=summary.reason, message=summary.message, key=f"behind-{stage}-{ahead.uid}")
    status = calculate_status(observed.run, summary, now, stage=stage)
    return plan_status(observed.run, status, events=(event,), requeue_after=RESYNC)


def _await_end(observed: Observed, stage: Stage, attempt: int, active: str, now: datetime) -> Plan:
    """Waits for what is still active of the attempt before; its pods may be where nobody can end them."""
    run = observed.run
    summary = Summary(
        phase=Phase.RETRYING, reason=Reason.RETRYING, message=f"attempt {attempt} waits for {active} to end"
    )
    events: tuple[Event, ...] = ()
    stuck = next((pod for pod in observed.pods if pod.is_overdue(now)), None)
    if stuck is not None:
        summary = unreachable(stuck, Phase.RETRYING)
        events = (Event(reason=summary.reason, message=summary.message, key=f"stuck-{stuck.uid}", warning=True),)
    waited = now - (run.status.next_retry_time or run.status.start_time or now)
    after = _no_later_than_overdue(min(max(waited, _POLL_PREDECESSOR), RESYNC), observed.pods, now)
    plan = plan_status(run, calculate_status(run, summary, now, stage=stage), events=events, requeue_after=after)
    return replace(plan, delete=replaced_jobs(observed, stage))


def _no_later_than_overdue(after: timedelta, pods: Sequence[PodView], now: datetime) -> timedelta:
    """No event tells that a pod has not ended in time, so the run looks again then."""
    return min([after, *(pod.overdue_at - now for pod in pods if pod.overdue_at and pod.overdue_at > now)])


def _active_part(observed: Observed, stage: Stage, attempt: int) -> str:
    """What of the stage is still active before another attempt; two pods of one run would write the same checkpoints.

    A pod counts by its labels alone: one whose Job was deleted has lost its owner reference and works on. So may one of
    a first attempt that the status does not tell of yet.
    """
    job = observed.job(job_of_attempt(observed.run, stage, attempt))
    if job is not None and job.owner_uid == observed.run.uid and not job.finished:
        return f"Job {job.name}"
    at_work = (pod for pod in observed.pods if pod.stage == stage and not (pod.gone or pod.terminal))
    return next((f"pod {pod.name}" for pod in at_work), "")


def _follow_attempt(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan:
    """Looks after the Job of an attempt that has begun."""
    run = observed.run
    job = observed.job(job_of_attempt(run, stage, attempt))
    if job is None:
        return _job_lost(observed, stage, attempt, now)
    if job.owner_uid != run.uid:
        return _job_conflict(observed, stage, job, now)
    if job.finished:
        return _job_finished(observed, stage, job, attempt, now)
    if job.deleting:
        message = f"Job {job.name} is being deleted; another attempt follows once it is gone"
        summary = Summary(phase=Phase.RETRYING, reason=Reason.JOB_DELETED, message=message)
        return plan_status(run, calculate_status(run, summary, now, stage=stage), requeue_after=RESYNC)
    return _job_active(observed, stage, job, attempt, now)


def _job_finished(observed: Observed, stage: Stage, job: JobView, attempt: int, now: datetime) -> Plan:
    """The Job says that it has ended; only its pods say what came of it."""
    pods = observed.pods_of(job)
    succeeded = outcome.succeeded_attempt(stage, job, pods)
    if succeeded is not None:
        return _published(observed, succeeded, attempt, now)
    if job.complete and job.managed_by and not pods:
        return completed_elsewhere(observed, stage, job, now)
    return attempt_failed(observed, outcome.failed_attempt(stage, job, pods), attempt, now)


def _job_lost(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan:
    """The Job is gone, which takes nothing from what one of its pods has published."""
    pods = [pod for pod in observed.pods if (pod.stage, pod.attempt) == (stage, str(attempt))]
    succeeded = outcome.succeeded_attempt(stage, None, pods)
    if succeeded is not None:
        return _published(observed, succeeded, attempt, now)
    return attempt_failed(observed, FinishedAttempt.of(stage, None, None), attempt, now)


def _published(observed: Observed, succeeded: FinishedAttempt, attempt: int, now: datetime) -> Plan:
    if succeeded.stage is Stage.PREPROCESS:
        return _dataset_published(observed, succeeded, now)
    return _model_published(observed, succeeded, attempt, now)


def _job_active(observed: Observed, stage: Stage, job: JobView, attempt: int, now: datetime) -> Plan:
    run = observed.run
    pods = observed.pods_of(job)
    failed_pod = outcome.failed_pod(job, pods)
    if failed_pod is not None and not (job.suspended or run.spec.suspend):
        return attempt_failed(observed, FinishedAttempt.of(stage, job, failed_pod), attempt, now)
    if is_outdated(run, stage, job):
        return replace_attempt(run, stage, job, attempt, now)
    before, kueue = job, observed.kueue_of(job)
    job, workload = with_the_runs_wish(run, job, kueue)
    suspend = ((job.name, job.suspended),) if job != before else ()
    activate = ((workload.name, workload.active),) if workload is not None and workload != kueue.workload else ()
    kueue = replace(kueue, workload=workload)
    summary = summarize(run, stage, job, pods, now, kueue=kueue)
    overdue = not_started(observed, job, summary, (stage, attempt), now)
    if overdue is not None:
        return overdue
    due = start_deadline(run, stage, job, pods)
    summary = announced(summary, start=due, active=active_deadline(run))
    disruptions = find_disruptions(run.status.disrupted_pods, pods)
    stopped = was_stopped(run, job)
    status = calculate_status(
        run,
        summary,
        now,
        stage=stage,
        attempts=run.status.attempts.with_disruptions(len(disruptions.new) + stopped),
        disrupted_pods=disruptions.known,
        queue=job.queue,
    )
    after = _no_later_than_overdue(_RESYNC_WHILE_RUNNING if summary.running else RESYNC, pods, now)
    after = min(after, due - now) if due else after
    events = (*events_of_disruptions(stage, job, disruptions.new), *events_of_summary(run, summary, job))
    if stopped:
        events += events_of_stop(status, summary, job, workload)
    return plan_status(run, status, suspend=suspend, activate=activate, events=events, requeue_after=after)


def _dataset_published(observed: Observed, finished: FinishedAttempt, now: datetime) -> Plan:
    run, result = observed.run, finished.termination
    if result is None or result.dataset is None:
        raise ValueError("preprocess succeeds only by a termination message with its dataset")
    message = "the dataset is ready; training starts"
    summary = Summary(phase=Phase.PENDING, reason=Reason.DATASET_PUBLISHED, message=message)
    waits: tuple[Event, ...] = ()
    if awaits_review(run) and not run.spec.suspend:
        summary = awaiting_review(run, result.dataset)
        waits = review_event(run, summary)
    status = calculate_status(run, summary, now, stage=Stage.TRAIN, dataset=result.dataset)
    message = f"preprocess published {result.dataset.manifest}"
    if result.dataset.report:
        message += f"; look it over: {result.dataset.report}"
    events = (Event(reason="DatasetReady", message=message, key="dataset"), *waits)
    return plan_status(run, status, progress=ProgressUpdate(report=None), events=events, requeue_after=timedelta(0))


def _model_published(observed: Observed, finished: FinishedAttempt, attempt: int, now: datetime) -> Plan:
    run, result, pod = observed.run, finished.termination, finished.pod
    if result is None or result.model is None or pod is None:
        raise ValueError("training succeeds only by a termination message with its model")
    where = f"the model is at {result.model.uri}"
    # What is wrong with it comes first: a long address would leave no room.
    message = "; ".join((*(warning.message.rstrip(".") for warning in result.model.warnings), where))
    summary = Summary(phase=Phase.SUCCEEDED, reason=Reason.MODEL_PUBLISHED, message=message, node=pod.node)
    status = calculate_status(
        run,
        summary,
        now,
        stage=Stage.DONE,
        last_report=result.progress,
        model=result.model.shown(),
        report=result.model.report,
    )
    progress = ProgressUpdate(report=final_report(run, Stage.TRAIN, attempt, result.progress), pod_uid=pod.uid)
    events = (*events_of_warnings(result.model), Event(reason="Succeeded", message=where, key="succeeded"))
    return plan_status(run, status, progress=progress, events=events)


def _job_conflict(observed: Observed, stage: Stage, job: JobView, now: datetime) -> Plan:
    message = f"Job {job.name} exists and belongs to someone else; delete it and create another TrainingRun"
    summary = Summary(phase=Phase.FAILED, reason=Reason.JOB_CONFLICT, message=message)
    event = Event(reason=Reason.JOB_CONFLICT, message=message, key="conflict", warning=True)
    return plan_status(observed.run, calculate_status(observed.run, summary, now, stage=stage), events=(event,))
