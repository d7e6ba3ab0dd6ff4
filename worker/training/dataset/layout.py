"""Where things lie in the target (docs/architecture.md, "The dataset in S3"). Pure."""

import re
from collections.abc import Mapping

from training.dataset.split import SPLITS

TTV = "ttv"
DOCUMENTS = "pdfs"
SHARDS = "shards"
EDITED = "edited"
MANIFEST_NAME = "manifest.json"
MANIFEST_KEY = f"{TTV}/{MANIFEST_NAME}"
REPORT_KEY = "report.html"
RECORD_NAME = "record.jsonl"
# What earlier runs may have left; other files that people keep there are not ours to delete.
_OURS = re.compile(
    rf"{TTV}/(train|val|test)/(images/[^/]+\.(jpg|png)|\1\.json)|{DOCUMENTS}/[^/]+/(draw_ann/\d+\.jpg|{RECORD_NAME})"
)


def image_key(split: str, file_name: str) -> str:
    """A page's image."""
    return f"{TTV}/{split}/images/{file_name}"


def annotation_key(split: str) -> str:
    """A split's COCO file."""
    return f"{TTV}/{split}/{split}.json"


def drawing_key(file_stem: str, page: int) -> str:
    """A page with its labels drawn on it."""
    return f"{DOCUMENTS}/{file_stem}/draw_ann/{page}.jpg"


def document_record_key(file_stem: str) -> str:
    """A document's record."""
    return f"{DOCUMENTS}/{file_stem}/{RECORD_NAME}"


def splits_with(file_name: str, size_bytes: int, sizes: Mapping[str, int]) -> list[str]:
    """The splits that hold an image of that name and size, by the sizes of all objects."""
    return [split for split in SPLITS if sizes.get(image_key(split, file_name)) == size_bytes]


def is_ours(key: str) -> bool:
    """Whether a run of preprocess wrote the object."""
    return _OURS.fullmatch(key) is not None
