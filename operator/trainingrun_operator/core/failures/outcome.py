"""Which of a Job's pods decides its attempt.

Mostly there is one pod. A sharded Job has several, and makes a shard's pod that failed anew, within limits of its own:
so its pods are judged only once the Job has ended, and all together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from trainingrun_operator.core.failures.diagnosis import lost_contact
from trainingrun_operator.core.failures.finished_attempt import FinishedAttempt
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.resource.status import Stage

# FailJob names the pod that met its rule; all others of the Job were stopped for its sake.
_NAMED = re.compile(r"for pod [^/\s]+/(\S+) failed with exit code \d+ matching FailJob")


def succeeded_attempt(stage: Stage, job: JobView | None, pods: Sequence[PodView]) -> FinishedAttempt | None:
    """The attempt by the pod that published the stage's result; None where none did.

    Several shards may report one. The one that made the dataset is believed before those that found it made.

    Args:
        pods: the Job's, oldest first.
    """
    # A completed pod can flip to Failed after a kubelet restart, and its Job with it; its container's message still
    # holds.
    finished = [FinishedAttempt.of(stage, job, pod) for pod in reversed(pods) if pod.exit_code == 0]
    succeeded = [each for each in finished if each.termination is not None and each.termination.published(stage)]
    return min(succeeded, key=_found_it_made, default=None)


def failed_attempt(stage: Stage, job: JobView, pods: Sequence[PodView]) -> FinishedAttempt:
    """The attempt of a Job that has ended without a result, by the pod that failed it.

    Args:
        pods: the Job's, oldest first.
    """
    ended = [pod for pod in pods if _has_ended(pod)]
    if job.shards == 1:
        pod = ended[-1] if ended else None
    elif job.complete:
        pod = _without_result(job, ended)
    elif named := _NAMED.search(job.failed_message):
        pod = next((pod for pod in ended if pod.name == named[1]), None)
    elif stage is Stage.TRAIN:
        pod = _first_failed_node(job, _last_of_each_index(pods))
    else:
        pod = _failed_shard(job, _last_of_each_index(pods))
    return FinishedAttempt.of(stage, job, pod)


def failed_pod(job: JobView, pods: Sequence[PodView]) -> PodView | None:
    """The pod that decides an attempt at first sight, before it can vanish and before its Job says so.

    A deleted or disrupted pod is the Job's to judge first: suspending and preemption delete pods without any failure.
    So is one whose worker exited with code 0, which may have published, and one of a sharded Job, which may be made
    anew.
    """
    pod = next((pod for pod in reversed(pods) if not pod.gone), None)
    if pod is None or job.shards > 1 or pod.phase != "Failed" or pod.exit_code == 0:
        return None
    return None if pod.disruption or pod.deleting else pod


def _has_ended(pod: PodView) -> bool:
    return pod.exit_code is not None or pod.terminal


def _last_of_each_index(pods: Sequence[PodView]) -> list[PodView]:
    """The pods that were at work when the Job ended, as far as they have ended; they took the place of those before.

    A pod that never ran has taken nobody's place yet: what the one before it did is what the others met.
    """
    last = {pod.index: pod for pod in pods if pod.running or _has_ended(pod)}
    return [pod for pod in last.values() if _has_ended(pod)]


def _found_it_made(finished: FinishedAttempt) -> bool:
    dataset = finished.termination.dataset if finished.termination else None
    return dataset is not None and dataset.cache_hit


def _without_result(job: JobView, ended: Sequence[PodView]) -> PodView | None:
    """Of a sharded Job that is complete: none, as long as a shard that went unread may have had the result."""
    done = [pod for pod in ended if pod.exit_code == 0]
    return done[-1] if len({pod.index for pod in done}) >= job.shards else None


def _first_failed_node(job: JobView, ended: Sequence[PodView]) -> PodView | None:
    """Of a training over several nodes: the one that took the others along, which then had lost contact."""

    def order(pod: PodView) -> tuple[bool, bool, bool, datetime]:
        followed = lost_contact(FinishedAttempt.of(Stage.TRAIN, job, pod))
        return not pod.disruption, pod.deleting, followed, pod.finished_at or pod.created_at

    return min((pod for pod in ended if pod.exit_code != 0), key=order, default=None)


def _failed_shard(job: JobView, ended: Sequence[PodView]) -> PodView | None:
    """Of a sharded Job that failed: the last pod of a shard that was given up, none that was stopped for its sake."""

    def blame(pod: PodView) -> tuple[bool, bool, datetime, datetime]:
        stopped = pod.deleting or bool(pod.disruption)
        return pod.index in job.failed_indexes, not stopped, pod.finished_at or pod.created_at, pod.created_at

    return max((pod for pod in ended if pod.exit_code != 0), key=blame, default=None)
