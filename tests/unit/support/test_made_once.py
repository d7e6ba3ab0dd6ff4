"""What many tests read is made by one process, and again where making it failed."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import cast

import pytest

from tests.support.made_once import made_once


class Factory:
    """As pytest's: a folder for each process, all within the session's."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def getbasetemp(self) -> Path:
        self._base.mkdir(exist_ok=True)
        return self._base


def make_in_process(session: Path, number: int) -> None:
    def make(folder: Path) -> None:
        with (folder / "makers").open("a") as makers:
            makers.write(f"{number}\n")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        factory = cast("pytest.TempPathFactory", Factory(session / f"gw{number}"))
        assert made_once(factory, "thing", make) == session / "thing"


def test_of_many_processes_one_makes_it(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=make_in_process, args=(tmp_path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len((tmp_path / "thing" / "makers").read_text().splitlines()) == 1


def test_a_process_alone_keeps_it_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    factory = cast("pytest.TempPathFactory", Factory(tmp_path))
    assert made_once(factory, "thing", lambda folder: (folder / "file").touch()) == tmp_path / "thing"
    assert made_once(factory, "thing", lambda _: pytest.fail("made twice")) == tmp_path / "thing"


def test_what_could_not_be_made_is_made_again_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    factory = cast("pytest.TempPathFactory", Factory(tmp_path))

    def half(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        made_once(factory, "thing", half)
    made_once(factory, "thing", lambda folder: (folder / "whole").touch())
    assert [path.name for path in (tmp_path / "thing").iterdir()] == ["whole"]
