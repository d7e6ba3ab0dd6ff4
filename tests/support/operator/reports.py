"""Reports of a training, as a worker sends them."""

from __future__ import annotations

import json
from typing import Any

from trainingrun_operator.core.progress.report import Report


def report(**fields: Any) -> Report:
    base = {"attempt": 1, "sequence": 1, "stage": "train", "percent": 15.7, "epoch": 3, "totalEpochs": 20}
    return Report.model_validate_json(json.dumps({**base, **fields}))


def point(epoch: int, metric: str | None = None) -> dict[str, Any]:
    return {"epoch": epoch, "iteration": epoch * 10, "uri": f"s3://b/epoch_{epoch}.pth", "metric": metric}
