"""Whether a failed attempt is followed by another, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingrun_operator.core.failures.diagnosis import Action, Diagnosis
from trainingrun_operator.core.names import short_hash
from trainingrun_operator.core.resource.status import LastFailure, Stage

MAX_BACKOFF = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class RetryDecision:
    """Whether an attempt is followed by another."""

    retry: bool
    counted: int
    consecutive: int
    # Why no other attempt follows, in addition to the failure itself; empty where the class alone explains it.
    explanation: str = ""
    limit_reached: bool = False


def decide_retry(
    diagnosis: Diagnosis,
    last: LastFailure | None,
    stage: Stage,
    *,
    counted: int,
    limit: int,
    progressed: bool = False,
    hopeless: str = "",
) -> RetryDecision:
    """Applies the limits to a failure.

    Args:
        counted: the number of counted failures before this one.
        hopeless: why another attempt would fail in the same way, if it would.
        progressed: whether training has stored a newer checkpoint since the last failure, which ends a row of failures.
    """
    same_class = last is not None and (last.stage, last.failure_class) == (stage, diagnosis.failure_class)
    consecutive = (last.consecutive if last and same_class and not progressed else 0) + 1
    if diagnosis.action is Action.FAIL:
        return RetryDecision(retry=False, counted=counted, consecutive=consecutive)
    counted += diagnosis.counted
    if diagnosis.stops_when_repeated and same_class and last and last.message == diagnosis.message:
        explanation = "it failed twice in the same way"
        return RetryDecision(retry=False, counted=counted, consecutive=consecutive, explanation=explanation)
    if hopeless:
        return RetryDecision(retry=False, counted=counted, consecutive=consecutive, explanation=hopeless)
    if diagnosis.counted and counted > limit:
        explanation = f"spec.retry.limit of {limit} is used up"
        return RetryDecision(
            retry=False, counted=counted, consecutive=consecutive, explanation=explanation, limit_reached=True
        )
    if diagnosis.at_most is not None and consecutive > diagnosis.at_most:
        explanation = f"this happened {consecutive} times in a row"
        return RetryDecision(retry=False, counted=counted, consecutive=consecutive, explanation=explanation)
    return RetryDecision(retry=True, counted=counted, consecutive=consecutive)


def retry_time(failed_at: datetime, base: timedelta, nth: int, *key: object) -> datetime:
    """When the next attempt starts: exponential, capped, with jitter that a restarted operator computes again."""
    ceiling = max(MAX_BACKOFF, base)
    delay = ceiling if nth > 16 else min(base * 2 ** (nth - 1), ceiling)
    jitter = 0.8 + 0.4 * int(short_hash(*key), 16) / 16**8
    return failed_at + timedelta(seconds=round(delay.total_seconds() * jitter))
