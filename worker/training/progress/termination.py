"""Builds the pod's termination message, one function per kind, and writes it, shortened to the size that Kubernetes
keeps (docs/architecture.md, "The termination message").
"""

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from training.errors import Failure
from training.progress.report import STAGE_PREPROCESS, STAGE_TRAIN, JsonObject, encode, metric_list

logger = logging.getLogger(__name__)


MAX_TERMINATION_BYTES = 4096
MAX_URI_BYTES = 700  # of the report's URI: the TrainingRun's status takes no longer one, and a cut URI is useless


def dataset_message(
    *,
    digest: str,
    manifest: str,
    report: str,
    cache_hit: bool,
    prepared: int,
    quarantined: int,
    images: Mapping[str, int],
    annotations: Mapping[str, int],
) -> JsonObject:
    """A dataset was made, or found (`cache_hit`). `prepared` and `quarantined` count documents, `images` the images of
    each split, `annotations` the labels of each category.
    """
    dataset = {
        "digest": digest,
        "manifest": manifest,
        "report": report,
        "cacheHit": cache_hit,
        "documents": {"total": prepared + quarantined, "prepared": prepared, "quarantined": quarantined},
        "images": dict(images),
        "annotations": dict(annotations),
    }
    return {**_message(STAGE_PREPROCESS, "succeeded"), "dataset": dataset}


def shard_message(*, index: int, of: int, documents: int) -> JsonObject:
    """Shard `index` of `of` is prepared; it has so many `documents`. Another pod assembles the dataset."""
    return {**_message(STAGE_PREPROCESS, "succeeded"), "shard": {"index": index, "of": of, "documents": documents}}


def model_message(
    *,
    uri: str,
    sha256: str,
    size_bytes: int,
    manifest: str,
    report: str | None,
    epoch: int,
    metrics: Mapping[str, float],
    warnings: Sequence[Mapping[str, str]],
    progress: JsonObject,
) -> JsonObject:
    """A model was trained and published. `epoch` is that of its weights, `metrics` are those of the test split, each
    warning has a `reason` and a `message`. `report` is the URI of the training's report, None if there is none. A URI
    longer than MAX_URI_BYTES is left out.
    """
    model: JsonObject = {"uri": uri, "sha256": sha256, "sizeBytes": size_bytes, "manifest": manifest}
    model |= _report(report)
    model["epoch"] = epoch
    model["metrics"] = metric_list(metrics)
    model["warnings"] = [dict(warning) for warning in warnings]
    return {**_message(STAGE_TRAIN, "succeeded"), "progress": progress, "model": model}


def node_message(*, index: int, of: int) -> JsonObject:
    """A training over several nodes succeeded, on another node than the main one, which publishes the model."""
    return {**_message(STAGE_TRAIN, "succeeded"), "node": {"index": index, "of": of}}


def failed_message(
    stage: str, failure: Failure, *, progress: JsonObject | None = None, report: str | None = None
) -> JsonObject:
    """A stage failed. `report` is the URI of the report of what was done until then, None if there is none; one longer
    than MAX_URI_BYTES is left out.
    """
    message: JsonObject = {
        **_message(stage, "failed"),
        "exitCode": failure.exit_code,
        "reason": failure.reason,
        "message": failure.message,
        **_report(report),
    }
    return message if progress is None else {**message, "progress": progress}


def _report(uri: str | None) -> JsonObject:
    return {"report": uri} if uri is not None and len(uri.encode()) <= MAX_URI_BYTES else {}


def _message(stage: str, result: str) -> JsonObject:
    """The fields that every message has."""
    return {"version": 1, "stage": stage, "result": result}


def write_termination(message: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ) -> None:
    """Write the message to the file TRAINING_TERMINATION_LOG, shortened to fit; do nothing if that is not set, as on a
    laptop.

    A file that cannot be written only logs a warning: the exit code still says how the command ended.
    """
    path = environ.get("TRAINING_TERMINATION_LOG", "")
    if not path:
        return
    try:
        # In place: the kubelet mounted this very file, so that no other file can be renamed over it.
        Path(path).write_bytes(fit_termination(message))
    except OSError as error:
        logger.warning("the termination message could not be written to %s: %s", path, error)


def fit_termination(message: Mapping[str, Any], *, most_bytes: int = MAX_TERMINATION_BYTES) -> bytes:
    """The message as JSON of at most `most_bytes` bytes.

    The least important is dropped first: the ends of long texts, older resume points, metrics, the whole progress,
    warnings, the report's URI.
    """
    fitted: JsonObject = json.loads(encode(_without_nan(dict(message))))
    steps: tuple[Callable[[JsonObject], None], ...] = (
        partial(_cut_texts, most_bytes=1200),
        _keep_last_resume_point,
        partial(_drop, path=("progress", "metrics")),
        partial(_drop, path=("model", "metrics")),
        partial(_drop, path=("progress",)),
        partial(_drop, path=("model", "warnings")),
        partial(_drop, path=("model", "report")),
        partial(_drop, path=("report",)),
        partial(_cut_texts, most_bytes=300),
        partial(_cut_texts, most_bytes=60),
        partial(_keep_only, names=("version", "stage", "result", "exitCode", "reason", "message")),
    )
    for shorten in steps:
        if len(encode(fitted)) <= most_bytes:
            break
        shorten(fitted)
    return encode(fitted)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_without_nan(item) for item in value]
    return value


def _cut_texts(value: Any, most_bytes: int) -> None:
    """Cut every text within `value` to at most `most_bytes` bytes of UTF-8, in place, between two characters."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(item, dict | list):
            _cut_texts(item, most_bytes)
        elif isinstance(item, str) and len(item.encode()) > most_bytes:
            value[key] = item.encode()[: most_bytes - 3].decode(errors="ignore") + "…"


def _keep_last_resume_point(message: JsonObject) -> None:
    progress = message.get("progress")
    if isinstance(progress, dict) and progress.get("resumePoints"):
        progress["resumePoints"] = progress["resumePoints"][-1:]


def _drop(message: JsonObject, path: tuple[str, ...]) -> None:
    holder: Any = message
    for name in path[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder.pop(path[-1], None)


def _keep_only(message: JsonObject, names: tuple[str, ...]) -> None:
    for name in set(message) - set(names):
        del message[name]
