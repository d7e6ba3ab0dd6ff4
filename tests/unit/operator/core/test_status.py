"""The status as people and the API server see it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.operator.world import DATASET, MODEL, START, World
from trainingrun_operator.core.progress.report import Report
from trainingrun_operator.core.progress.state import ProgressState, advance
from trainingrun_operator.core.resource.status import (
    Attempts,
    LastFailure,
    Phase,
    PublishedDataset,
    PublishedModel,
    Stage,
)
from trainingrun_operator.core.status import Picture, clip, render

LONG = "ü" * 5000


def test_clipping_counts_bytes_and_never_cuts_a_letter() -> None:
    for limit in range(10, 40):
        clipped = clip(LONG, limit)
        assert len(clipped.encode()) <= limit
        assert clipped.endswith("…")
    assert clip("short", 10) == "short"


def test_the_status_stays_under_16_kib_whatever_everybody_says() -> None:
    world = World()
    world.visits()
    uri = "s3://" + "u" * 695
    metrics = [{"name": f"{n:02}" + "m" * 62, "value": "9" * 32} for n in range(16)]
    points = [{"epoch": n, "uri": f"{uri[:-2]}{n:02}", "sha256": "a" * 64, "metric": "1" * 32} for n in range(5)]
    body: dict[str, Any] = {"attempt": 1, "sequence": 1, "stage": "train", "metrics": metrics, "resumePoints": points}
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
    picture = Picture(
        phase=Phase.FAILED,
        reason="R" * 64,
        message=LONG,
        stage=Stage.TRAIN,
        image="i" * 512,
        start_time=START,
        attempts=Attempts(total=9, counted=9),
        last_failure=failure,
        dataset=PublishedDataset.model_validate(
            {**DATASET, "manifest": uri, "report": uri, "annotations": annotations}
        ),
        model=PublishedModel.model_validate({**MODEL, "uri": uri, "manifest": uri, "metrics": metrics}),
        node="n" * 253,
        job="j" * 63,
        stalled=True,
    )
    status = render(world.observed().run, picture, START)
    assert len(json.dumps(status.to_json(), ensure_ascii=False).encode()) <= 16 * 1024
