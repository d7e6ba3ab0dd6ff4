"""The charts in the report of a training, with a mark where an attempt continued an earlier one. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise

from training.model.metrics import OVERALL
from training.reports.charts import Chart, Line, Mark, Point, figure, smoothed
from training.tracking.history import LOST, Attempt, History

PALETTE = 4  # number of colours in training_style
OVERALL_NAMES = ("mAP", "at IoU .5", "at IoU .75")


def training_charts(history: History, classes: Sequence[str]) -> str:
    """HTML with charts of loss, average precision on val, learning rate, time per iteration and GPU memory."""
    per_epoch = history.iterations_per_epoch
    last = max([1, *(attempt.last_iteration for attempt in history.attempts)])
    x_end = float(math.ceil(last / per_epoch))
    marks = continuations(history.attempts)

    def chart(title: str, lines: Sequence[Line]) -> str:
        return figure(Chart(title=title, lines=lines, x_name="epoch", x_end=x_end, marks=marks))

    records = [(record.iteration / per_epoch, record) for record in history.iterations]
    loss: list[Point] = [(x, record.loss) for x, record in records]
    rate: list[Point] = [(x, record.learning_rate) for x, record in records]
    total: list[Point] = [(x, record.seconds) for x, record in records]
    data: list[Point] = [(x, record.data_seconds) for x, record in records]
    charts = [
        chart(
            "Loss",
            [
                Line(name="", points=loss, colour=0, is_faint=True),
                Line(name="", points=smoothed(loss), colour=0),
            ],
        ),
        chart("Average precision on val", _metric_lines(history, OVERALL, OVERALL_NAMES)),
        chart("By class", _metric_lines(history, [f"{label}_mAP" for label in classes], classes)),
        chart("Learning rate", [Line(name="", points=rate, colour=0)]),
        chart(
            "Seconds per iteration",
            [
                Line(name="all", points=smoothed(total), colour=0),
                Line(name="waiting for images", points=smoothed(data), colour=1),
            ],
        ),
    ]
    memory: list[Point] = [
        (x, record.gpu_memory_bytes / 2**30) for x, record in records if record.gpu_memory_bytes is not None
    ]
    if memory:
        charts.append(chart("GPU memory, GiB at most", [Line(name="", points=memory, colour=0)]))
    return f'<div class="charts">\n{"".join(charts)}</div>\n'


def continuations(attempts: Sequence[Attempt]) -> list[Mark]:
    """A mark at each start of a later attempt, with its number and why the attempt before it ended."""
    marks = []
    for before, after in pairwise(attempts):
        why = "was killed" if before.result == LOST else f"ended ({before.reason or before.result})"
        meaning = (
            f"Attempt {before.number} {why} at iteration {before.last_iteration}; "
            f"attempt {after.number} continued after iteration {after.start.iteration}"
        )
        x = after.start.iteration / after.start.iterations_per_epoch
        marks.append(Mark(x=x, label=f"#{after.number}", meaning=meaning))
    return marks


def _metric_lines(history: History, metrics: Sequence[str], names: Sequence[str]) -> list[Line]:
    return [
        Line(
            name=name,
            points=[(float(record.epoch), record.metrics.get(metric)) for record in history.validations],
            colour=index % PALETTE,
        )
        for index, (metric, name) in enumerate(zip(metrics, names, strict=True))
    ]
