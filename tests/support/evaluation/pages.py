"""Pages with labels and detections, as arrays."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.evaluation.pages import Detections, EvaluatedSplit, PageTruth

CLASSES = ("table", "Cell", "header")
Label = tuple[int, Sequence[float]]  # class, and left, top, width, height


def true_page(*labels: Label, crowds: Sequence[bool] | None = None, name: str = "a_0.jpg") -> PageTruth:
    return PageTruth(
        file_name=name,
        width=1000,
        height=2000,
        boxes=np.array([box for _, box in labels], dtype=np.float64).reshape(-1, 4),
        classes=np.array([number for number, _ in labels], dtype=np.intp),
        is_crowd=np.array(np.zeros(len(labels)) if crowds is None else crowds, dtype=np.bool_),
    )


def detections(*rows: Sequence[float]) -> Detections:
    """Left, top, right, bottom, score, class."""
    return np.array(rows, dtype=np.float32).reshape(-1, 6)


def perfect(*labels: Label) -> Detections:
    return detections(
        *((left, top, left + width, top + height, 0.9, number) for number, (left, top, width, height) in labels)
    )


def table_labels(*, rows: int, columns: int, left: float = 20, top: float = 20) -> list[Label]:
    """A table with a header row, and a text in each cell."""
    labels: list[Label] = [(0, [left, top, columns * 100, rows * 20]), (2, [left, top, columns * 100, 20])]
    for row in range(rows):
        labels += [(1, [left + 100 * column + 10, top + 20 * row + 5, 60, 10]) for column in range(columns)]
    return labels


def dense_page(*, rows: int, columns: int, name: str = "a_0.jpg") -> tuple[PageTruth, Detections]:
    """A page with one table, and its perfect detections."""
    labels = table_labels(rows=rows, columns=columns)
    return true_page(*labels, name=name), perfect(*labels)


def split_of(pages: Mapping[int, PageTruth], found: Mapping[int, Detections]) -> EvaluatedSplit:
    return EvaluatedSplit(classes=CLASSES, pages=pages, detections=found)
