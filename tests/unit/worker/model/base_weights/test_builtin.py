"""Base weights that ship with the worker are found by name and compared with their manifest."""

import json
from pathlib import Path

import pytest

from training.errors import DataError, NotFound
from training.model.base_weights import builtin
from training.storage.files import sha256_bytes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builtin, "FOLDER", tmp_path)
    (tmp_path / "tables-small.pth").write_bytes(b"weights")
    (tmp_path / "tables-small.json").write_text(json.dumps({"sha256": sha256_bytes(b"weights")}))
    return tmp_path


def test_a_name_is_the_file_that_ships(folder: Path) -> None:
    assert builtin.located("builtin://tables-small") == str(folder / "tables-small.pth")


@pytest.mark.parametrize("uri", ["s3://bucket/base.pth", "base.pth", "/work/base.pth"])
def test_any_other_address_stays_as_it_is(uri: str) -> None:
    assert builtin.located(uri) == uri


@pytest.mark.parametrize("name", ["other", "", "tables-small.pth", "../tables-small", "tables-small/"])
@pytest.mark.usefixtures("folder")
def test_a_name_that_does_not_ship_is_answered_with_those_that_do(name: str) -> None:
    with pytest.raises(NotFound, match=r"does not ship with this worker \(there are builtin://tables-small\)"):
        builtin.located(f"builtin://{name}")


def test_a_worker_without_weights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "FOLDER", tmp_path)
    with pytest.raises(NotFound, match="there are none"):
        builtin.located("builtin://tables-small")


def test_a_file_that_is_not_its_manifests_is_refused(folder: Path) -> None:
    (folder / "tables-small.pth").write_bytes(b"changed")
    with pytest.raises(DataError, match="is not the file that its manifest"):
        builtin.located("builtin://tables-small")
    (folder / "tables-small.json").unlink()
    with pytest.raises(DataError):
        builtin.located("builtin://tables-small")


def test_what_ships_with_this_worker_verifies() -> None:
    for path in builtin.FOLDER.glob("*.pth"):
        assert builtin.located(f"builtin://{path.stem}") == str(path)
