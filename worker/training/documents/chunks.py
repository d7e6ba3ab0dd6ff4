"""Runs the chunks of a document in a process pool, for both commands that draw pages.

A chunk is a run of consecutive pages that one call of the renderer draws, so a long document keeps all processes busy.
"""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Protocol, TypeVar

from training.documents.quarantine import QuarantinedDocument, killed
from training.process.pool import DocumentPool, ProcessKilledError

_Chunk = TypeVar("_Chunk")


class _NamedTask(Protocol):
    """A task on the document called `name`."""

    @property
    def name(self) -> str: ...


_Task = TypeVar("_Task", bound=_NamedTask)


def chunk_folder(folder: Path, number: int) -> Path:
    """Makes an empty folder for a chunk's files; a process that was killed may have left some of them there."""
    path = folder / f"chunk-{number}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def chunk_result(
    pool: DocumentPool,
    future: "Future[_Chunk | QuarantinedDocument]",
    work: Callable[[_Task, int], _Chunk | QuarantinedDocument],
    task: _Task,
    number: int,
) -> _Chunk | QuarantinedDocument:
    """Waits for a chunk submitted as `work(task, number)`; a chunk that kills its process quarantines the document."""
    try:
        return pool.result(future, work, task, number)
    except ProcessKilledError:
        return killed(task.name)


def cancel_chunks(waiting: Iterable["Future[_Chunk]"]) -> None:
    """Cancels the chunks that have not begun and waits for the others, since they write to the document's folder."""
    wait([future for future in waiting if not future.cancel()])
