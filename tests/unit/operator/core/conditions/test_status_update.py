"""The status as people and the API server see it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.operator.world import DATASET, MODEL, START, World
from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.status_update import calculate_status
from trainingrun_operator.core.failures.diagnosis import FailureClass
from trainingrun_operator.core.progress.report import Report
from trainingrun_operator.core.progress.state import ProgressState, advance
from trainingrun_operator.core.progress.termination import SHOWN_METRICS, TrainedModel
from trainingrun_operator.core.resource.status import (
    MAX_DISRUPTED_PODS,
    MAX_EXCLUDED_NODES,
    MAX_JOBS,
    Attempts,
    JobRecord,
    LastFailure,
    Phase,
    PublishedDataset,
    Stage,
    Status,
)

LONG = "ü" * 5000


def test_the_status_stays_under_16_kib_whatever_everybody_says() -> None:
    world = World()
    world.visits()
    uri = "s3://" + "u" * 695
    metrics = [{"name": f"{n:02}" + "m" * 62, "value": "9" * 32} for n in range(16)]
    shown = [*({**metric, "name": name} for metric, name in zip(metrics, SHOWN_METRICS, strict=False)), *metrics[6:]]
    points = [{"epoch": n, "uri": f"{uri[:-2]}{n:02}", "sha256": "a" * 64, "metric": "1" * 32} for n in range(5)]
    body: dict[str, Any] = {"attempt": 1, "sequence": 1, "stage": "train", "metrics": metrics, "resumePoints": points}
    body["device"] = {"name": "d" * 65, "count": 4096, "memoryBytes": 2**53}
    body["baseWeights"] = {"loaded": False, "message": "m" * 1000}
    assert len(json.dumps(body)) < 8192, "as much as the gateway takes"
    state = advance(ProgressState(), Report.model_validate_json(json.dumps(body)), "p" * 36, START)
    world.run["status"].update(state.to_json())
    failure = LastFailure(
        stage=Stage.TRAIN,
        attempt=3,
        failure_class="UserError",
        reason="R" * 64,
        message=LONG,
        node="n" * 253,
        time=START,
    )
    annotations = {f"{n:02}" + "c" * 30: 10**9 for n in range(8)}
    dataset = {**DATASET, "manifest": uri[:400], "report": uri, "annotations": annotations}
    images = {"image": "i" * 512, "preprocessImage": "p" * 512}
    job = {"name": "j" * 63, "stage": "preprocess", "attempt": 9, "result": max(FailureClass, key=len)}
    paused = {"pausedSince": "2026-01-01T12:00:00Z", "pausedSeconds": 2**53 - 1}
    world.run["status"].update({**images, **paused, "jobs": [job] * MAX_JOBS, "dataset": dataset})
    model = {**MODEL, "uri": uri[:512], "manifest": uri[:540], "metrics": shown, "epoch": 9}
    summary = Summary(phase=Phase.FAILED, reason="R" * 64, message=LONG, node="n" * 253, stalled=True)
    status = calculate_status(
        world.observed().run,
        summary,
        START,
        stage=Stage.TRAIN,
        attempts=Attempts(total=9, counted=9, replaced=9),
        failure=failure,
        excluded_nodes=tuple(f"{n:02}" + "n" * 251 for n in range(MAX_EXCLUDED_NODES)),
        disrupted_pods=tuple(f"{n:08}" for n in range(MAX_DISRUPTED_PODS)),
        queue="q" * 63,
        memory="8796093022207Mi",
        memory_asked="1" * 32,
        model=TrainedModel.model_validate(model).shown(),
        report=uri,
    )
    assert [name for name in Status.model_fields if not getattr(status, name)] == ["paused_since", "next_retry_time"]
    assert len(json.dumps(status.to_json(), ensure_ascii=False, separators=(",", ":")).encode()) <= 16 * 1024


def test_a_status_is_made_of_all_its_fields() -> None:
    world = World()
    summary = Summary(phase=Phase.PENDING, reason="Accepted", message="")
    status = calculate_status(world.observed().run, summary, START, stage=Stage.PREPROCESS)
    assert status.model_fields_set == set(Status.model_fields)


def a_status(summary: Summary, **decision: Any) -> Status:
    """After a decision on a run that waits for its second attempt."""
    world = World()
    world.visits()
    world.worker_runs()
    world.worker_exits(75)
    world.visits()
    assert world.status.node is not None
    assert world.status.next_retry_time is not None
    return calculate_status(world.observed().run, summary, START, **decision)


def a_job(attempt: int) -> JobRecord:
    return JobRecord(name=f"tables-preprocess-{attempt}", stage=Stage.PREPROCESS, attempt=attempt)


def test_a_decision_that_is_silent_about_node_job_and_retry_time_leaves_them() -> None:
    status = a_status(Summary(phase=Phase.SUSPENDED, reason="Suspended", message=""), stage=Stage.PREPROCESS)
    assert None not in (status.node, status.next_retry_time)
    assert [job.result for job in status.jobs] == ["Transient"]


def test_an_attempt_that_begins_has_a_job_and_neither_node_nor_retry_time() -> None:
    pending = Summary(phase=Phase.PENDING, reason="Starting", message="")
    status = a_status(pending, stage=Stage.PREPROCESS, new_job=a_job(2))
    assert status.jobs[-1] == a_job(2)
    assert (status.node, status.next_retry_time) == (None, None)


def test_a_published_dataset_leaves_no_node_to_training() -> None:
    pending = Summary(phase=Phase.PENDING, reason="DatasetPublished", message="")
    status = a_status(pending, stage=Stage.TRAIN, dataset=PublishedDataset.model_validate(DATASET))
    assert status.node is None


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED])
def test_a_run_that_has_ended_has_a_completion_time_and_no_retry_time(phase: Phase) -> None:
    status = a_status(Summary(phase=phase, reason="R", message=""), stage=Stage.TRAIN)
    assert (status.completion_time, status.next_retry_time) == (START, None)
