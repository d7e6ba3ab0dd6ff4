"""A Storage in memory."""

from collections.abc import Iterator
from pathlib import Path

from training.errors import NotFound
from training.storage.base import StoredObject, Wanted, always


class MemoryStorage:
    """Objects in a dict; `operations` says what was written and deleted, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.operations: list[str] = []

    def uri(self, key: str = "") -> str:
        return f"memory://{key}"

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield StoredObject(key, len(self.objects[key]))

    def stat(self, key: str) -> StoredObject | None:
        return StoredObject(key, len(self.objects[key])) if key in self.objects else None

    def read_bytes(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound(f"{key} does not exist.")
        return self.objects[key]

    def download_file(self, key: str, path: Path, *, wanted: Wanted = always) -> None:  # noqa: ARG002
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read_bytes(key))

    def write_bytes(self, key: str, data: bytes) -> None:
        self.operations.append(f"write {key}")
        self.objects[key] = data

    def upload_file(self, path: Path, key: str) -> None:
        self.write_bytes(key, path.read_bytes())

    def upload_checked(self, path: Path, key: str, *, wanted: Wanted = always) -> bool:  # noqa: ARG002
        self.upload_file(path, key)
        return False

    def copy(self, key: str, target_key: str) -> None:
        self.write_bytes(target_key, self.read_bytes(key))

    def delete(self, key: str) -> None:
        self.operations.append(f"delete {key}")
        self.objects.pop(key, None)

    def check_writable(self) -> None:
        pass
