"""The metrics of an evaluation, by name, and which of them matter most. Pure."""

import math
from collections.abc import Mapping, Sequence

OVERALL = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75")
MAIN_METRIC = "bbox_mAP"
TABLES_AT_50, TABLES_AT_75 = ("table_precision_50", "table_recall_50"), ("table_precision_75", "table_recall_75")
GRIDS = ("grits_top", "grits_loc")
_FIRST = (*OVERALL, "table_mAP", "table_mAP_50", *TABLES_AT_50, *GRIDS, *TABLES_AT_75)


def detection_metrics(raw: Mapping[str, object], classes: Sequence[str]) -> dict[str, float]:
    """The metrics in an evaluator's result, all within 0..1, the most important first: readers may cut the list.

    They are OVERALL, `<class>_mAP` and `<class>_mAP_50` of each class, how tables are found, and how alike their grids
    are; `TableMetric` measures all. Of mmdet's own CocoMetric, `<class>_precision` is `<class>_mAP`, and an empty
    result means that nothing was detected: OVERALL and each `<class>_mAP` are 0 then.

    A metric that the result lacks was not measured, and one of -1 or NaN has no ground truth: both are left out.
    """
    if not raw:
        return dict.fromkeys((*OVERALL, *(f"{name}_mAP" for name in classes)), 0.0)
    given = {name.rpartition("/")[2]: value for name, value in raw.items()}
    for name in classes:
        given.setdefault(f"{name}_mAP", given.get(f"{name}_precision"))
    of_classes = (f"{name}_{kind}" for kind in ("mAP", "mAP_50") for name in classes)
    values = {name: _in_range(given.get(name)) for name in (*_FIRST, *of_classes)}
    return {name: value for name, value in values.items() if value is not None}


def _in_range(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) or hasattr(value, "__float__") else math.nan
    return number if 0.0 <= number <= 1.0 else None
