"""Termination messages: which can be read, and what they must have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import DATASET, MODEL, termination
from trainingrun_operator.core.progress.termination import SHOWN_METRICS, read_termination_message
from trainingrun_operator.core.resource.status import Stage


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", "{", "[]", termination("train", version=2)])
def test_what_is_no_message_of_this_version_is_none(text: str) -> None:
    assert read_termination_message(text) is None


def test_success_is_success_with_the_stages_own_result() -> None:
    message = read_termination_message(termination("preprocess", dataset=DATASET))
    assert message is not None
    assert message.published(Stage.PREPROCESS)
    assert not message.published(Stage.TRAIN)
    message = read_termination_message(termination("preprocess", model=MODEL))
    assert message is not None
    assert not message.published(Stage.PREPROCESS)


@pytest.mark.parametrize("fields", [{}, {"report": None}, {"report": "s" * 700}])
def test_a_model_comes_with_or_without_a_report(fields: dict[str, Any]) -> None:
    message = read_termination_message(termination("train", model={**MODEL, **fields}))
    assert message is not None
    assert message.published(Stage.TRAIN)
    assert message.model is not None
    assert message.model.report == fields.get("report")


@pytest.mark.parametrize("report", ["", "s" * 701, 3])
def test_a_report_that_the_status_could_not_hold_is_refused(report: object) -> None:
    assert read_termination_message(termination("train", model={**MODEL, "report": report})) is None


def test_the_status_shows_the_chief_metrics_in_their_order_and_neither_report_nor_warnings() -> None:
    names = ["grits_con", "grits_top", "Cell_mAP", "table_recall_50", "bbox_mAP", "table_precision_50"]
    metrics = [{"name": name, "value": "0.5"} for name in names]
    warnings = [{"reason": "DetectsNothing", "message": "nothing was found"}]
    model = {**MODEL, "epoch": 7, "metrics": metrics, "report": "s3://tables/r.html", "warnings": warnings}
    message = read_termination_message(termination("train", model=model))
    assert message is not None
    assert message.model is not None
    shown = message.model.shown().to_json()
    assert shown == {**MODEL, "epoch": 7, "metrics": shown["metrics"]}
    assert [metric["name"] for metric in shown["metrics"]] == [name for name in SHOWN_METRICS if name in names]


@pytest.mark.parametrize(
    ("warnings", "reasons"),
    [
        ([{"reason": "BestWasBetter", "message": "m"}, {"reason": "DetectsNothing", "message": "m"}], 2),
        ([{"reason": "BestWasBetter"}, {"reason": "no word", "message": "m"}, "x", {"reason": "A", "message": "m"}], 1),
        ([{"reason": "A", "message": "m"}] * 9, 4),
        ("nonsense", 0),
        (None, 0),
    ],
)
def test_a_warning_that_cannot_be_read_does_not_unpublish_a_model(warnings: object, reasons: int) -> None:
    message = read_termination_message(termination("train", model={**MODEL, "warnings": warnings}))
    assert message is not None
    assert message.model is not None
    assert len(message.model.warnings) == reasons


def test_a_failure_comes_with_or_without_a_report() -> None:
    for fields in ({}, {"report": "s3://b/report.html"}):
        message = read_termination_message(termination("train", "failed", exitCode=1, reason="UserError", **fields))
        assert message is not None
        assert message.report == fields.get("report")
