"""What follows from an attempt that has failed: it is latched in the status, and another attempt comes or none."""

from __future__ import annotations

from datetime import datetime

from trainingrun_operator.core.conditions.conditions import Summary, clip
from trainingrun_operator.core.conditions.status_update import FAILURE_BYTES, calculate_status
from trainingrun_operator.core.decisions.decision import plan_status
from trainingrun_operator.core.events import events_of_disruptions
from trainingrun_operator.core.failures.diagnosis import Diagnosis, FailureClass, diagnose
from trainingrun_operator.core.failures.disruptions import find_disruptions
from trainingrun_operator.core.failures.finished_attempt import FinishedAttempt
from trainingrun_operator.core.failures.retries import RetryDecision, decide_retry, retry_time
from trainingrun_operator.core.jobs.memory import more_memory
from trainingrun_operator.core.names import short_hash
from trainingrun_operator.core.plan import Event, Observed, Plan, ProgressUpdate
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import MAX_EXCLUDED_NODES, LastFailure, Phase, Reason, Stage, Status


def attempt_failed(observed: Observed, finished: FinishedAttempt, attempt: int, now: datetime) -> Plan:
    """Latches what an attempt failed of, once, and decides whether another follows."""
    run, old, stage = observed.run, observed.run.status, finished.stage
    diagnosis = diagnose(finished)
    iteration = max((point.iteration for point in old.resume_points), default=0)
    memory, hopeless = _memory_after(run, finished, diagnosis)
    decision = decide_retry(
        diagnosis,
        old.last_failure,
        stage,
        counted=old.attempts.counted,
        limit=run.spec.retry.limit,
        progressed=old.last_failure is not None and iteration > old.last_failure.iteration,
        hopeless=hopeless,
    )
    pod, job = finished.pod, finished.job
    disruptions = find_disruptions(old.disrupted_pods, observed.pods_of(job) if job else ())
    told_apart = pod is not None and short_hash(pod.uid) in disruptions.known
    retry_at = None
    if decision.retry:
        backoff = run.spec.retry.backoff
        retry_at = retry_time(now.replace(microsecond=0), backoff, decision.consecutive, run.uid, stage, attempt)
        summary = retrying(diagnosis.failure_class, attempt + 1, clip(diagnosis.message, FAILURE_BYTES), diagnosis.node)
    else:
        summary = _given_up(diagnosis, decision)
    status = calculate_status(
        run,
        summary,
        now,
        stage=stage,
        attempts=old.attempts.with_counted(decision.counted).with_disruptions(
            len(disruptions.new) + (not diagnosis.counted and not told_apart)
        ),
        failure=LastFailure(
            stage=stage,
            attempt=attempt,
            failure_class=diagnosis.failure_class,
            reason=diagnosis.reason,
            message=diagnosis.message,
            exit_code=diagnosis.exit_code,
            node=diagnosis.node,
            time=(finished.finished_at or now).replace(microsecond=0),
            consecutive=decision.consecutive,
            iteration=iteration,
        ),
        next_retry_time=retry_at,
        excluded_nodes=_excluded_nodes(old, diagnosis),
        disrupted_pods=disruptions.known,
        memory=memory,
        memory_asked=run.pod_template(stage).resources.memory
        if diagnosis.failure_class is FailureClass.OOM_KILLED
        else None,
        last_report=finished.termination.progress if finished.termination else None,
        report=finished.termination.report if finished.termination else None,
    )
    message = f"{stage} attempt {attempt} failed: {diagnosis.message}"
    events = [Event(reason=diagnosis.failure_class, message=message, key=f"failed-{stage}-{attempt}", warning=True)]
    if job is not None:
        events[:0] = events_of_disruptions(stage, job, [each for each in disruptions.new if each is not pod])
    if not decision.retry:
        events.append(Event(reason="Failed", message=summary.message, key="failed", warning=True))
    return plan_status(
        run,
        status,
        progress=_last_progress(finished),
        events=tuple(events),
        requeue_after=retry_at - now if retry_at else None,
    )


def _memory_after(run: Run, finished: FinishedAttempt, diagnosis: Diagnosis) -> tuple[str | None, str]:
    """What the next attempt asks for where this one was killed for want of memory, and why none can help."""
    pod, on_oom = finished.pod, run.spec.retry.on_oom
    asked = (pod.memory_limit or pod.memory_request) if pod else None
    if diagnosis.failure_class is not FailureClass.OOM_KILLED or asked is None:
        return None, ""
    if on_oom is not None:
        memory = more_memory(asked, on_oom)
        return memory, "" if memory else f"it asked for {asked}, and spec.retry.onOOM.maxMemory allows no more"
    last = run.status.last_failure
    again = last is not None and (last.stage, last.failure_class) == (finished.stage, FailureClass.OOM_KILLED)
    again = again and run.status.memory_asked == run.pod_template(finished.stage).resources.memory
    return None, f"{asked} were too little twice; spec.retry.onOOM lets the next attempt have more" if again else ""


def _excluded_nodes(status: Status, diagnosis: Diagnosis) -> tuple[str, ...]:
    if not diagnosis.excludes_node or not diagnosis.node:
        return status.excluded_nodes
    others = (node for node in status.excluded_nodes if node != diagnosis.node)
    return (*others, diagnosis.node)[-MAX_EXCLUDED_NODES:]


def _last_progress(finished: FinishedAttempt) -> ProgressUpdate | None:
    """The progress in a termination message, where it is the stage's: a shard's is of its own share alone, and of a
    training's nodes the first speaks for all.
    """
    pod, message = finished.pod, finished.termination
    indexes = (None, 0) if finished.stage is Stage.TRAIN else (None,)
    if pod is None or message is None or message.progress is None or pod.index not in indexes:
        return None
    return ProgressUpdate(report=message.progress, pod_uid=pod.uid)


def retrying(reason: str, attempt: int, failure: str, node: str | None = None) -> Summary:
    """Of a run whose next attempt has to wait for its time."""
    message = f"attempt {attempt} follows; the last one failed: {failure}"
    return Summary(phase=Phase.RETRYING, reason=reason, message=message, node=node)


def _given_up(diagnosis: Diagnosis, decision: RetryDecision) -> Summary:
    reason: str = Reason.RETRY_LIMIT_REACHED if decision.limit_reached else diagnosis.failure_class
    message = diagnosis.message
    if decision.explanation:
        message = f"{diagnosis.failure_class}: {message}; {decision.explanation}"
    return Summary(phase=Phase.FAILED, reason=reason, message=message, node=diagnosis.node)
