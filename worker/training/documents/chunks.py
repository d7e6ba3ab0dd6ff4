"""A document chunk by chunk in the processes of a pool, for all that draw pages.

A chunk is a run of consecutive pages that one call of the renderer draws: a long document keeps all processes busy.
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
    """What is to be done with the document of that name."""

    @property
    def name(self) -> str: ...


_Task = TypeVar("_Task", bound=_NamedTask)


def chunk_folder(folder: Path, number: int) -> Path:
    """Makes a folder for what becomes of a chunk; a process that was killed over it may have left something there."""
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
    """What became of a chunk that was submitted as `work(task, number)`, or why its document cannot be used."""
    try:
        return pool.result(future, work, task, number)
    except ProcessKilledError:
        return killed(task.name)


def cancel_chunks(waiting: Iterable["Future[_Chunk]"]) -> None:
    """Begins none of them, and returns when those that have begun are over: they write to the document's folder."""
    wait([future for future in waiting if not future.cancel()])
