"""A pod's last word: the messages of docs/architecture.md, "The termination message", field by field."""

import json
from typing import Any

import pytest

from training.errors import DataError, describe_failure
from training.progress.termination import (
    MAX_TERMINATION_BYTES,
    MAX_URI_BYTES,
    dataset_message,
    failed_message,
    fit_termination,
    model_message,
    node_message,
    shard_message,
)

PROGRESS = {"percent": 100.0, "epoch": 2}


def published(**changes: Any) -> dict[str, Any]:
    fields = {
        "uri": "s3://b/m.pth",
        "sha256": "0f",
        "size_bytes": 7,
        "manifest": "s3://b/m.pth.manifest.json",
        "report": "s3://b/m.pth.report.html",
        "epoch": 12,
        "metrics": {"bbox_mAP": 0.5},
        "warnings": [{"reason": "BestWasBetter", "message": "Epoch 12 was better."}],
        "progress": PROGRESS,
    }
    return model_message(**{**fields, **changes})


def test_a_dataset_is_told_with_its_counts() -> None:
    assert dataset_message(
        digest="sha256:1",
        manifest="s3://b/ttv/manifest.json",
        report="s3://b/report.html",
        cache_hit=True,
        prepared=5,
        quarantined=2,
        images={"train": 4, "val": 2, "test": 1},
        annotations={"table": 9, "Cell": 80, "header": 8},
    ) == {
        "version": 1,
        "stage": "preprocess",
        "result": "succeeded",
        "dataset": {
            "digest": "sha256:1",
            "manifest": "s3://b/ttv/manifest.json",
            "report": "s3://b/report.html",
            "cacheHit": True,
            "documents": {"total": 7, "prepared": 5, "quarantined": 2},
            "images": {"train": 4, "val": 2, "test": 1},
            "annotations": {"table": 9, "Cell": 80, "header": 8},
        },
    }


def test_a_share_and_a_node_are_told_by_their_numbers() -> None:
    assert shard_message(index=1, of=4, documents=7) == {
        "version": 1,
        "stage": "preprocess",
        "result": "succeeded",
        "shard": {"index": 1, "of": 4, "documents": 7},
    }
    assert node_message(index=1, of=2) == {
        "version": 1,
        "stage": "train",
        "result": "succeeded",
        "node": {"index": 1, "of": 2},
    }


def test_a_published_model_is_told_with_its_report() -> None:
    assert published() == {
        "version": 1,
        "stage": "train",
        "result": "succeeded",
        "progress": PROGRESS,
        "model": {
            "uri": "s3://b/m.pth",
            "sha256": "0f",
            "sizeBytes": 7,
            "manifest": "s3://b/m.pth.manifest.json",
            "report": "s3://b/m.pth.report.html",
            "epoch": 12,
            "metrics": [{"name": "bbox_mAP", "value": "0.5000"}],
            "warnings": [{"reason": "BestWasBetter", "message": "Epoch 12 was better."}],
        },
    }


@pytest.mark.parametrize("report", [None, "s3://b/" + "k" * MAX_URI_BYTES, "s3://b/" + "é" * (MAX_URI_BYTES // 2)])
def test_a_report_that_is_not_there_or_whose_address_is_too_long_is_left_out(report: str | None) -> None:
    assert "report" not in published(report=report)["model"]
    assert "report" not in failed_message("train", describe_failure(DataError("No.")), report=report)


def test_a_failed_training_is_told_with_its_report() -> None:
    report = "s3://b/checkpoints/report.html"
    assert failed_message("train", describe_failure(DataError("No.")), report=report)["report"] == report
    long = failed_message("train", describe_failure(DataError("x" * 1000)), report="s3://b/".ljust(MAX_URI_BYTES, "k"))
    assert "report" not in json.loads(fit_termination(long, most_bytes=1400))


def test_the_longest_address_of_a_report_is_told_whole() -> None:
    report = "s3://b/".ljust(MAX_URI_BYTES, "k")
    assert json.loads(fit_termination(published(report=report)))["model"]["report"] == report


def test_where_room_is_short_warnings_are_left_out_before_the_report() -> None:
    message = published(manifest="m" * 1200, warnings=[{"reason": "R", "message": "w" * 900}])
    assert "warnings" in json.loads(fit_termination(message))["model"]
    fitted = json.loads(fit_termination(message, most_bytes=1800))
    assert "warnings" not in fitted["model"]
    assert "report" in fitted["model"]


def test_where_room_is_short_a_report_is_left_out_and_never_cut() -> None:
    message = published(report="r" * MAX_URI_BYTES, uri="s3://b/" + "k" * 1190, manifest="m" * 1200)
    fitted = json.loads(fit_termination(message, most_bytes=2700))
    assert "report" not in fitted["model"]
    assert len(fitted["model"]["manifest"]) == 1200


@pytest.mark.parametrize(("progress", "told"), [(None, {}), (PROGRESS, {"progress": PROGRESS})])
def test_a_failure_is_told_with_its_exit_code_and_what_was_reached(
    progress: dict[str, Any] | None, told: dict[str, Any]
) -> None:
    message = failed_message("train", describe_failure(DataError("The val split is empty.")), progress=progress)
    assert message == {
        "version": 1,
        "stage": "train",
        "result": "failed",
        "exitCode": 65,
        "reason": "DataError",
        "message": "The val split is empty.",
        **told,
    }
    assert len(fit_termination(message)) <= MAX_TERMINATION_BYTES
