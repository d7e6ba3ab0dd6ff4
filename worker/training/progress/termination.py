"""A pod's last word (docs/architecture.md, "The termination message"), made to fit."""

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from training.errors import Failure
from training.progress.report import JsonObject, encode

logger = logging.getLogger(__name__)


MAX_TERMINATION_BYTES = 4096


def failed_message(stage: str, failure: Failure, *, progress: JsonObject | None = None) -> JsonObject:
    """The termination message (docs/architecture.md) of a stage that failed."""
    message: JsonObject = {
        "version": 1,
        "stage": stage,
        "result": "failed",
        "exitCode": failure.exit_code,
        "reason": failure.reason,
        "message": failure.message,
    }
    return message if progress is None else {**message, "progress": progress}


def write_termination(message: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ) -> None:
    """Write the pod's last word to TRAINING_TERMINATION_LOG, shortened to fit; does nothing where that is not set, as
    on a laptop.

    Never raises: the exit code still tells the story.
    """
    path = environ.get("TRAINING_TERMINATION_LOG", "")
    if not path:
        return
    try:
        # In place: the kubelet mounted this very file, a rename over it is refused.
        Path(path).write_bytes(fit_termination(message))
    except OSError as error:
        logger.warning("the termination message could not be written to %s: %s", path, error)


def fit_termination(message: Mapping[str, Any], *, most_bytes: int = MAX_TERMINATION_BYTES) -> bytes:
    """The message as JSON of at most `most_bytes` bytes.

    What people can live without goes first: a long text's end, older resume points, metrics, the whole progress.
    """
    fitted: JsonObject = json.loads(encode(_without_nan(dict(message))))
    steps: tuple[Callable[[JsonObject], None], ...] = (
        partial(_cut_texts, most_bytes=1200),
        _keep_last_resume_point,
        partial(_drop, path=("progress", "metrics")),
        partial(_drop, path=("model", "metrics")),
        partial(_drop, path=("progress",)),
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
    """Cut every text in place, deep down, that takes more than `most_bytes` bytes, at a character's border."""
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
