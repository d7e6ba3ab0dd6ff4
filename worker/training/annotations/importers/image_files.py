"""Finds the files of page images in a folder or in S3, whatever a tool made of their names."""

from collections import defaultdict

from training.dataset.image_names import ImageNames
from training.documents.quarantine import DocumentError, Reason
from training.errors import DataError
from training.storage.base import Storage

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")


class ImageFiles:
    """The images below the root of a storage."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._keys: dict[str, list[str]] = defaultdict(list)
        for item in storage.list_objects():
            if item.key.lower().endswith(SUFFIXES):
                self._keys[item.key.rpartition("/")[2]].append(item.key)
        self._names = ImageNames(self._keys)

    def key(self, written: str) -> str:
        """The key of the image that a file calls `written`. Raises DocumentError if it is missing, or may be several.

        Among images of the same name in several folders, the one that `written` ends with counts.
        """
        try:
            name = self._names.find(written)
        except DataError as error:
            raise DocumentError(Reason.AMBIGUOUS_NAME, str(error)) from None
        if name is None:
            raise DocumentError(
                Reason.NO_PDF, f"The image {written} is not in {self.storage.uri()}; name its folder in --images."
            )
        keys = self._keys[name]
        if len(keys) > 1:
            keys = [key for key in keys if f"/{written}".endswith(f"/{key}") or f"/{key}".endswith(f"/{written}")]
        if len(keys) != 1:
            raise DocumentError(
                Reason.AMBIGUOUS_NAME,
                f"Several folders of {self.storage.uri()} have an image called {name}; convert one folder at a time.",
            )
        return keys[0]
