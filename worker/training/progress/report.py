"""The format of a progress report: field limits, metrics, JSON (docs/architecture.md, "A progress report")."""

import json
import math
from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
STAGE_PREPROCESS, STAGE_TRAIN = "preprocess", "train"
MAX_RESUME_POINTS = 5
MAX_METRICS = 16


def metric_list(metrics: Mapping[str, float]) -> list[JsonObject]:
    """Metrics in the form of a report, `[{"name", "value": "0.5120"}]`, at most MAX_METRICS of them.

    Values that are not finite are left out, since JSON has no NaN.
    """
    return [
        {"name": name, "value": f"{float(value):.4f}"} for name, value in metrics.items() if math.isfinite(float(value))
    ][:MAX_METRICS]


def encode(value: JsonObject) -> bytes:
    """`value` as compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")
