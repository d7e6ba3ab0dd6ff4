"""Termination messages: which can be read, and what they must have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import DATASET, MODEL, termination
from trainingrun_operator.core.progress.termination import read_termination_message
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


def test_a_failure_comes_with_or_without_a_report() -> None:
    for fields in ({}, {"report": "s3://b/report.html"}):
        message = read_termination_message(termination("train", "failed", exitCode=1, reason="UserError", **fields))
        assert message is not None
        assert message.report == fields.get("report")
