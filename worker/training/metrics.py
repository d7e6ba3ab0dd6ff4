"""What an evaluation says, under names that stay the same whatever was or was not detected."""

import math
from collections.abc import Mapping, Sequence

OVERALL = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75")
MAIN_METRIC = "bbox_mAP"


def detection_metrics(raw: Mapping[str, object], classes: Sequence[str]) -> dict[str, float]:
    """`bbox_mAP`, `bbox_mAP_50`, `bbox_mAP_75` and `<class>_mAP` of each class, all within 0..1, from what CocoMetric
    gives.

    CocoMetric gives nothing at all where nothing was detected, and -1 or NaN for what has no ground truth. The first
    means 0 here, since it is the true value; a class without ground truth is left out. `bbox_mAP` counts the 100 surest
    boxes of a page, as COCO does, the classes' values up to 1000.
    """
    given = {name.rpartition("/")[2]: value for name, value in raw.items()}
    metrics = {name: _in_range(given.get(name, 0.0)) or 0.0 for name in OVERALL}
    for name in classes:
        value = _in_range(given.get(f"{name}_precision", 0.0))
        if value is not None:
            metrics[f"{name}_mAP"] = value
    return metrics


def _in_range(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) or hasattr(value, "__float__") else math.nan
    return number if 0.0 <= number <= 1.0 else None
