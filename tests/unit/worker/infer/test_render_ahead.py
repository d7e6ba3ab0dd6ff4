"""Chunks of pages as they come from the pool: one ahead, and no further than is asked for."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason
from training.documents.render import RenderedPage, RenderOptions
from training.infer.render_ahead import DrawnChunk, DrawnPage, DrawTask, drawn_chunks
from training.process.pool import ProcessKilledError

PAGES = 3  # in as many chunks


class FakePool:
    """Draws when it is asked to; `answers` replace the chunk of that number."""

    def __init__(self, answers: dict[int, Any] | None = None) -> None:
        self.answers = answers or {}
        self.submitted: list[int] = []

    def submit(self, _: Any, task: DrawTask, number: int) -> "Future[Any]":
        self.submitted.append(number)
        folder = task.folder / f"chunk-{number}"
        folder.mkdir()
        page = DrawnPage(RenderedPage(number, folder / "page.jpg", 1, 1), [], [])
        future: Future[Any] = Future()
        future.set_result(self.answers.get(number, DrawnChunk(folder, (page,), PAGES)))
        return future

    def result(self, future: "Future[Any]", *_: Any) -> Any:
        answer = future.result()
        if answer is ProcessKilledError:
            raise ProcessKilledError
        return answer


def chunks(pool: Any, folder: Path) -> Any:
    return drawn_chunks(pool, DrawTask("a", PdfFile(folder / "a.pdf"), folder, RenderOptions()))


def test_one_chunk_is_drawn_ahead_and_the_one_before_is_gone(tmp_path: Path) -> None:
    pool = FakePool()
    for number, chunk in enumerate(chunks(pool, tmp_path)):
        assert [page.image.number for page in chunk.pages] == [number]
        assert pool.submitted == list(range(min(number + 2, PAGES)))
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            f"chunk-{left}" for left in range(number, min(number + 2, PAGES))
        ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "reason", "sentence"),
    [
        (QuarantinedDocument("a", Reason.CORRUPT, "The PDF cannot be read."), Reason.CORRUPT, "The PDF cannot be read"),
        (ProcessKilledError, Reason.TOO_LARGE, "most likely for lack of memory; simplify the PDF, lower --dpi or give"),
    ],
    ids=["quarantined", "killed"],
)
@pytest.mark.parametrize("number", [0, 1])
def test_a_chunk_that_cannot_be_drawn_ends_the_document(
    tmp_path: Path, number: int, answer: Any, reason: Reason, sentence: str
) -> None:
    pool = FakePool({number: answer})
    with pytest.raises(DocumentError, match=sentence) as failed:
        list(chunks(pool, tmp_path))
    assert failed.value.quarantine_reason is reason
    assert pool.submitted == list(range(number + 1))


def test_no_more_is_drawn_when_nobody_asks(tmp_path: Path) -> None:
    pool = FakePool()
    found = chunks(pool, tmp_path)
    next(found)
    found.close()
    assert pool.submitted == [0, 1]
