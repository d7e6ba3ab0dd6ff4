"""Reports: what is refused, and the last one of a stage."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.operator.reports import report
from tests.support.operator.world import START, a_run
from trainingrun_operator.core.progress.report import FINAL_SEQUENCE, Report, final_report
from trainingrun_operator.core.progress.state import ProgressState, advance
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


@pytest.mark.parametrize(
    "fields",
    [
        {"percent": "15"},
        {"percent": -1},
        {"percent": 100.1},
        {"epoch": 1.5},
        {"epoch": True},
        {"stage": "done"},
        {"attempt": 0},
        {"sequence": None},
        {"metrics": [{"name": "", "value": "1"}]},
        {"resumePoints": [{"epoch": 1}]},
        {"resumePoints": [{"epoch": 1, "uri": "s" * 701}]},
        {"device": {"name": "", "count": 1}},
        {"device": {"name": "NVIDIA L4", "count": 0}},
        {"device": "NVIDIA L4"},
        {"baseWeights": {"loaded": True}},
    ],
)
def test_what_is_not_as_agreed_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        report(**fields)


@pytest.mark.parametrize("text", ['{"attempt": 1, "sequence": 1, "stage": "train", "percent": NaN}', "[]", "", "3"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate_json(text)


def test_a_succeeded_stage_is_at_100_percent_whatever_its_last_report_said() -> None:
    run = Run.parse(a_run())
    for before in (None, report(epoch=2, totalEpochs=3, percent=90.0, etaSeconds=5)):
        last = advance(ProgressState(), final_report(run, Stage.TRAIN, 1, before), "pod-1", START).progress
        assert last is not None
        assert (last.percent, last.epochs, last.eta, last.sequence) == (100, "3/3", None, FINAL_SEQUENCE)
