"""`report.html` of a training: how the training went, and the pages on which its model is worst. Pure.

The page loads nothing and runs no script. All names and messages are escaped, since they come from users.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.model.detections import WORKING_SCORE
from training.model.metrics import GRIDS, MAIN_METRIC, OVERALL, TABLES_AT_50, TABLES_AT_75
from training.model.worst_pages import MIN_IOU, MIN_SCORE, JudgedPage
from training.reports.markup import count, heading, name, number, page_head, scrolled, text
from training.reports.training_charts import training_charts
from training.reports.training_style import STYLE
from training.tracking.duration import duration
from training.tracking.events import ValidationRecord
from training.tracking.history import LOST, RUNNING, Attempt, History


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What is known before the training starts. `settings` are shown by name, in their order."""

    name: str
    classes: Sequence[str]
    settings: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """All that the page shows. `model` is the URI of the published model, `warnings` are sentences about it; `pictures`
    are JPEGs of the worst pages of `split`, which is empty if no split was evaluated.
    """

    facts: TrainingFacts
    history: History
    model: str | None = None
    warnings: Sequence[str] = ()
    split: str = ""
    pictures: Sequence[tuple[JudgedPage, bytes]] = ()


def training_html(content: PageContent) -> Iterator[str]:
    """The HTML page, in pieces."""
    history = content.history
    yield page_head(f"Training {content.facts.name}", STYLE)
    yield "<header>\n"
    yield from _top(content)
    yield "</header>\n<main>\n"
    yield '<h2 id="course">How it went</h2>\n'
    yield training_charts(history, content.facts.classes)
    yield from _attempts(history.attempts)
    yield from _precision(content)
    yield from _tables(content)
    yield from _worst(content)
    yield from _facts(content)
    yield "</main>\n</body></html>\n"


def best_validation(history: History) -> ValidationRecord | None:
    """The validation with the highest bbox_mAP, the earliest if several have it."""
    judged = [record for record in history.validations if MAIN_METRIC in record.metrics]
    return max(judged, key=lambda record: record.metrics[MAIN_METRIC], default=None)


def _top(content: PageContent) -> Iterator[str]:
    history = content.history
    yield f"<h1>{name(content.facts.name)}</h1>\n"
    yield f'<p class="state">{_state(content)}</p>\n'
    for warning in content.warnings:
        yield f'<p class="state"><span class="odd">Look:</span> {text(warning)}</p>\n'
    places = [("course", "how it went"), ("attempts", "attempts"), ("precision", "precision")]
    if content.split:
        places.append(("worst", "worst pages"))
    places.append(("facts", "facts"))
    links = "".join(f'<li><a href="#{place}">{words}</a></li>' for place, words in places)
    yield f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'
    last = history.validations[-1].metrics if history.validations else {}
    epochs = history.attempts[-1].start.total_epochs if history.attempts else 0
    done = history.attempts[-1].last_iteration // history.iterations_per_epoch if history.attempts else 0
    shown = [
        (f"{done}/{epochs}", "epochs"),
        (_precise(last.get(MAIN_METRIC)), "mAP on val"),
        (_precise(history.test.get(MAIN_METRIC)), "mAP on test"),
        (duration(sum(attempt.seconds for attempt in history.attempts)), "at work"),
        (number(len(history.attempts)), "attempt" if len(history.attempts) == 1 else "attempts"),
    ]
    figures = "".join(f"<li><b>{value}</b><span>{title}</span></li>" for value, title in shown)
    yield f'<ul class="figures">{figures}</ul>\n'


def _state(content: PageContent) -> str:
    if content.model:
        return f'<span class="good">Finished.</span> The model is <code>{text(content.model)}</code>'
    if not content.history.attempts:
        return "Not started yet"
    last = content.history.attempts[-1]
    if last.result == RUNNING:
        return f"Running; this page is of {text(last.last_time)}"
    kind = "odd" if last.result == "interrupted" else "bad"
    return f'<span class="{kind}">{text(last.result.capitalize())}.</span> {text(last.message)}'


def _attempts(attempts: Sequence[Attempt]) -> Iterator[str]:
    yield heading("attempts", "Attempts", len(attempts))
    if len(attempts) > 1:
        yield "<p>Each continued the one before from its last checkpoint: in the charts, at a dashed line.</p>\n"
    titles = (("", ""), ("ended", "says"), ("iterations", ""), ("took", ""), ("started, UTC", ""), ("on", "says"))
    head = "".join(f'<th scope="col" class="{kind}">{title}</th>' for title, kind in titles)
    yield f"{scrolled('Attempts')}<table>\n<thead><tr>{head}</tr></thead>\n<tbody>"
    for attempt in attempts:
        yield (
            f'<tr><th scope="row">{attempt.number}</th><td class="says">{_ending(attempt)}</td>'
            f'<td class="whole">{number(attempt.start.iteration)}–{number(attempt.last_iteration)}</td>'
            f'<td class="whole">{duration(attempt.seconds)}</td><td>{_time(attempt.start.time)}</td>'
            f'<td class="says">{text(str(attempt.start.device))}</td></tr>\n'
        )
    yield "</tbody></table></div>\n"


def _ending(attempt: Attempt) -> str:
    if attempt.result == RUNNING:
        return "goes on"
    if attempt.result == LOST:
        return '<span class="bad">killed</span> without a word'
    kind = {"succeeded": "good", "interrupted": "odd"}.get(attempt.result, "bad")
    reason = f" ({text(attempt.reason)})" if attempt.result == "failed" and attempt.reason else ""
    return f'<span class="{kind}">{attempt.result}</span>{reason} {text(attempt.message)}'


def _precision(content: PageContent) -> Iterator[str]:
    yield '<h2 id="precision">Average precision</h2>\n'
    yield (
        "<p>How well boxes are found, from 0 to 1, as COCO measures it: over IoUs from .5 to .95, and at .5 and .75 "
        "alone; “all” is the mean of the classes. The test split is used once, at the end.</p>\n"
    )
    columns = dict(zip(("all", "at .5", "at .75"), OVERALL, strict=True))
    columns |= {label: f"{label}_mAP" for label in content.facts.classes}
    yield from _figures("Average precision", columns, _evaluations(content.history))


def _tables(content: PageContent) -> Iterator[str]:
    """How tables are found, if the evaluations say so, and the documents with the worst grids."""
    names = (*TABLES_AT_50, *TABLES_AT_75, *GRIDS)
    rows = [(title, found) for title, found in _evaluations(content.history) if any(name in found for name in names)]
    if not rows:
        return
    titles = ("right at .5", "found at .5", "right at .75", "found at .75", "GriTS-Top", "GriTS-Loc")
    yield '<h2 id="tables">Tables</h2>\n'
    yield (
        f"<p>Of the tables detected with a score of at least {_short(WORKING_SCORE)}, the part that is right "
        "(precision), and of the labelled tables, the part that is found (recall): with an IoU of at least .5, and of "
        "at least .75. GriTS compares rows, columns and spans (Top), or the cells' boxes in them (Loc), with those of "
        "the labels: the mean over the documents of the test split, 1 if all are the same.</p>\n"
    )
    yield from _figures("Tables", dict(zip(titles, names, strict=True)), rows)
    documents = [document for document in content.history.documents if document.grits_loc < 1]
    if documents:
        yield "<p>The documents with the worst grids:</p>\n<ol>"
        for document in documents:
            yield (
                f"<li>{name(document.name)}: GriTS-Top {_precise(document.grits_top)}, GriTS-Loc "
                f"{_precise(document.grits_loc)}, {count(document.tables, 'labelled table')}</li>\n"
            )
        yield "</ol>\n"


def _evaluations(history: History) -> list[tuple[str, Mapping[str, float]]]:
    """The test, the last and the best validation, as far as there are any, each with its title."""
    validations = history.validations
    rows: list[tuple[str, Mapping[str, float]]] = []
    if history.test:
        rows.append(("test", history.test))
    if validations:
        rows.append((f"val, epoch {validations[-1].epoch}", validations[-1].metrics))
    best = best_validation(history)
    if best is not None and best is not validations[-1]:
        rows.append((f"val, best: epoch {best.epoch}", best.metrics))
    return rows


def _figures(label: str, columns: Mapping[str, str], rows: Sequence[tuple[str, Mapping[str, float]]]) -> Iterator[str]:
    """A table of metrics, a row for each evaluation; `columns` are the metrics' names by their titles."""
    if not rows:
        yield "<p>Nothing is measured yet.</p>\n"
        return
    head = "".join(f'<th scope="col">{text(title)}</th>' for title in ("split", *columns))
    yield f"{scrolled(label)}<table>\n<thead><tr>{head}</tr></thead>\n<tbody>"
    for title, found in rows:
        cells = "".join(f"<td>{_precise(found.get(metric))}</td>" for metric in columns.values())
        yield f'<tr><th scope="row">{text(title)}</th>{cells}</tr>\n'
    yield "</tbody></table></div>\n"


def _worst(content: PageContent) -> Iterator[str]:
    if not content.split:
        return
    yield heading("worst", f"Worst pages of the {text(content.split)} split", len(content.pictures))
    if not content.pictures:
        yield "<p>Every table and cell was found, and nothing else.</p>\n"
        return
    meanings = (
        ("found", "labelled and found"),
        ("missed", "labelled and missed"),
        ("right", "right detection"),
        ("wrong", "wrong detection"),
    )
    legend = " ".join(f'<span><i class="area {kind}"></i>{words}</span>' for kind, words in meanings)
    yield (
        "<p>By the F1 of their tables and cells: a detection is right where it covers a labelled box of its class with "
        f"an IoU of at least {_short(MIN_IOU)}. Detections less sure than {_short(MIN_SCORE)} do not count. It may be "
        "the label that is wrong.</p>\n"
        f'<p class="legend">{legend}</p>\n'
    )
    yield '<ul class="pages">'
    for page, jpeg in content.pictures:
        faults = f"{number(len(page.missed))} missed, {number(len(page.wrong))} wrong, {number(len(page.right))} right"
        yield (
            f'<li><img alt="{text(page.file_name)} with what was detected" width="{page.width}" height="{page.height}" '
            f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
            f"<p><b>F1 {_precise(page.f1)}</b> {name(page.file_name)}<br>"
            f'<span class="soft">{faults}</span></p></li>\n'
        )
    yield "</ul>\n"


def _facts(content: PageContent) -> Iterator[str]:
    history = content.history
    yield '<h2 id="facts">Facts</h2>\n<dl>'
    facts = dict(content.facts.settings)
    if history.attempts:
        facts["iterations per epoch"] = number(history.iterations_per_epoch)
    for key, value in facts.items():
        yield f"<div><dt>{text(key)}</dt><dd>{text(value)}</dd></div>\n"
    yield "</dl>\n"
    if history.checkpoints:
        yield f"<details><summary>{count(len(history.checkpoints), 'checkpoint')} committed</summary>\n"
        yield "<p>The newest and the best are kept, the others were deleted since.</p>\n<ul>"
        for record in history.checkpoints:
            where = f"iteration {number(record.iteration)}, {_time(record.time)}"
            yield f"<li><code>{text(record.uri)}</code>, {where}</li>\n"
        yield "</ul></details>\n"


def _precise(value: float | None) -> str:
    """`value` with three decimals; a dash for None, which means not measured."""
    return "–" if value is None else f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:g}".lstrip("0")


def _time(value: str) -> str:
    return f'<span class="whole">{text(value.replace("T", " ").replace("Z", ""))}</span>'
