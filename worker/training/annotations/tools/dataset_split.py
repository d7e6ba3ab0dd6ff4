"""A split of a prepared dataset, to be corrected: its pages with their labels as they are now, edited ones included."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from training.dataset.edited import parse_coco, read_edited_split
from training.dataset.layout import annotation_path, edited_key, image_path
from training.dataset.manifest import Manifest
from training.dataset.split import SPLITS
from training.dataset.verify import read_manifest
from training.errors import DataError, NotFound, Transient
from training.labels.categories import LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage
from training.storage.files import sha256_bytes
from training.storage.uri import S3_SCHEME, open_parent, open_storage


@dataclass(frozen=True)
class DatasetSplit:
    """The pages that the split's file lists, in its order; the sizes of all its images in pixels, by file name.

    `others` has the split of every image that belongs to another one, by file name.
    """

    uri: str
    name: str
    storage: Storage
    data: bytes
    sizes: Mapping[str, tuple[int, int]]
    pages: tuple[LabelledPage, ...]
    others: Mapping[str, str]

    @property
    def key(self) -> str:
        return annotation_path(self.name)

    @property
    def where(self) -> str:
        """The address of the split's file."""
        return self.storage.uri(self.key)

    def image_key(self, file_name: str) -> str:
        return image_path(self.name, file_name)

    def replace(self, data: bytes) -> str:
        """Writes the split's file anew and keeps the one before, beside the dataset's folder; returns its address.

        Raises Transient if somebody else has changed the file since it was read.
        """
        if self.storage.read_bytes(self.key) != self.data:
            raise Transient(f"{self.where} was changed in the meantime; import again.")
        folder = self.uri.rstrip("/") if self.uri.startswith(S3_SCHEME) else str(Path(self.uri).absolute())
        target, _ = open_parent(folder)
        kept = edited_key(sha256_bytes(self.data), self.name)
        target.write_bytes(kept, self.data)
        self.storage.write_bytes(self.key, data)
        return target.uri(kept)


def open_split(uri: str, name: str) -> DatasetSplit:
    """Opens the split `name` of the dataset at `uri`, a `ttv` folder at a path or s3://.

    Raises NotFound if there is no dataset, DataError if the split's file cannot be used.
    """
    storage = open_storage(uri)
    manifest = read_manifest(storage)
    key, entries = annotation_path(name), {file.path: file for file in manifest.files}
    data, where = storage.read_bytes(key), storage.uri(key)
    names = _images(manifest, name)
    if sha256_bytes(data) == entries[key].sha256:
        pages = _as_prepared(data, where)
        sizes = {page.file_name: (page.width, page.height) for page in pages}
    else:
        sizes = _sizes(storage, name, names)
        pages = read_edited_split(data, where, sizes).pages
    others = {image: other for other in SPLITS if other != name for image in _images(manifest, other)}
    return DatasetSplit(uri=uri, name=name, storage=storage, data=data, sizes=sizes, pages=pages, others=others)


def _images(manifest: Manifest, split: str) -> list[str]:
    prefix = image_path(split)
    return [file.path.removeprefix(prefix) for file in manifest.files if file.path.startswith(prefix)]


def _as_prepared(data: bytes, where: str) -> tuple[LabelledPage, ...]:
    """The pages of a file that is as preprocess left it."""
    content = parse_coco(data, where)
    boxes: dict[int, list[LabelledBox]] = {image["id"]: [] for image in content["images"]}
    for item in content["annotations"]:
        boxes[item["image_id"]].append(LabelledBox(item["category_id"], *item["bbox"]))
    return tuple(
        LabelledPage(image["file_name"], image["width"], image["height"], PackedBoxes(boxes[image["id"]]))
        for image in content["images"]
    )


def _sizes(storage: Storage, split: str, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The sizes of the images' files: what an edited file states is only to be compared with them."""

    def size(name: str) -> tuple[int, int]:
        key = image_path(split, name)
        try:
            with Image.open(io.BytesIO(storage.read_bytes(key))) as image:
                return image.size
        except (OSError, NotFound) as error:
            raise DataError(f"{storage.uri(key)} is no image ({error}); delete it and run preprocess again.") from None

    with thread_pool(TRANSFER_THREADS, "sizes") as threads:
        names = list(names)
        return dict(zip(names, threads.map(size, names), strict=True))
