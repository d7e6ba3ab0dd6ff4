"""Where things lie in the target (docs/architecture.md, "The dataset in S3"). Pure."""

import re
from collections.abc import Mapping

from training.dataset.split import SPLITS
from training.documents.names import file_stem

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


def image_name(document: str, page: int, suffix: str) -> str:
    """The file name of a page's image; `document` is the document's name, `suffix` begins with a dot."""
    return f"{file_stem(document)}_{page}{suffix}"


def image_key(split: str, file_name: str) -> str:
    """A page's image."""
    return f"{TTV}/{split}/images/{file_name}"


def annotation_key(split: str) -> str:
    """A split's COCO file."""
    return f"{TTV}/{split}/{split}.json"


def drawing_key(document: str, page: int) -> str:
    """A page of the document of that name, with its labels drawn on it."""
    return f"{DOCUMENTS}/{file_stem(document)}/draw_ann/{page}.jpg"


def document_record_key(document: str) -> str:
    """The record of the document of that name."""
    return f"{DOCUMENTS}/{file_stem(document)}/{RECORD_NAME}"


def splits_with(file_name: str, size_bytes: int, sizes: Mapping[str, int]) -> list[str]:
    """The splits that hold an image of that name and size, by the sizes of all objects."""
    return [split for split in SPLITS if sizes.get(image_key(split, file_name)) == size_bytes]


def is_ours(key: str) -> bool:
    """Whether a run of preprocess wrote the object."""
    return _OURS.fullmatch(key) is not None
