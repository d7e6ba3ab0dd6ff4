"""The metrics of an evaluation: COCO average precision over all classes and for each class."""

import math
from collections.abc import Mapping, Sequence

OVERALL = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75")
MAIN_METRIC = "bbox_mAP"


def detection_metrics(raw: Mapping[str, object], classes: Sequence[str]) -> dict[str, float]:
    """`bbox_mAP`, `bbox_mAP_50`, `bbox_mAP_75` and `<class>_mAP` of each class, all within 0..1, from the result of
    CocoMetric.

    An empty result means that nothing was detected: every metric is 0 then. A metric that the result lacks was not
    measured, and one of -1 or NaN has no ground truth: both are left out. `bbox_mAP` counts the 100 detections of a
    page with the highest scores, as COCO does; the classes' metrics count up to 1000.
    """
    names = {name: name for name in OVERALL} | {f"{name}_precision": f"{name}_mAP" for name in classes}
    if not raw:
        return dict.fromkeys(names.values(), 0.0)
    given = {name.rpartition("/")[2]: value for name, value in raw.items()}
    values = {names[name]: _in_range(given.get(name)) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _in_range(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) or hasattr(value, "__float__") else math.nan
    return number if 0.0 <= number <= 1.0 else None
