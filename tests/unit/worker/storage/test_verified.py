"""A file that must not be lost: compared by the storage itself, or read back."""

from pathlib import Path

import pytest

from tests.support.storage.memory_storage import MemoryStorage
from training.errors import Transient
from training.storage.base import Wanted, always
from training.storage.files import sha256_bytes
from training.storage.local import LocalStorage
from training.storage.verified import upload_verified

CONTENT = b"weights"


class Vouching(MemoryStorage):
    """Says whether it has compared what it stored; `read` has what was read back."""

    def __init__(self, *, vouches: bool, damages: bool) -> None:
        super().__init__()
        self.vouches = vouches
        self.damages = damages
        self.read: list[str] = []

    def upload_checked(self, path: Path, key: str, *, wanted: Wanted = always) -> bool:  # noqa: ARG002
        self.write_bytes(key, path.read_bytes() + (b"!" if self.damages else b""))
        return self.vouches

    def download_file(self, key: str, path: Path, *, wanted: Wanted = always) -> None:
        self.read.append(key)
        super().download_file(key, path, wanted=wanted)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "model.pth"
    made.write_bytes(CONTENT)
    return made


@pytest.mark.parametrize(("vouches", "read"), [(True, []), (False, ["m.pth"])])
def test_what_the_storage_has_compared_itself_is_not_read_back(
    path: Path, tmp_path: Path, vouches: bool, read: list[str]
) -> None:
    storage = Vouching(vouches=vouches, damages=False)
    assert upload_verified(storage, path, "m.pth", scratch=tmp_path) == sha256_bytes(CONTENT)
    assert storage.read == read
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_stored_otherwise_is_tried_again(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Transient, match="was not stored as it was written"):
        upload_verified(Vouching(vouches=False, damages=True), path, "m.pth", scratch=tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_read_back(path: Path, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "target")
    assert storage.upload_checked(path, "m.pth") is False
    assert upload_verified(storage, path, "m.pth", scratch=tmp_path) == sha256_bytes(CONTENT)
