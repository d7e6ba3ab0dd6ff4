"""The dataset's layout: the keys of its files in the target (docs/architecture.md, "The dataset in S3"). Pure."""

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
# Files that earlier runs may have left. Other files there belong to people and are never deleted.
_OURS = re.compile(
    rf"{TTV}/(train|val|test)/(images/[^/]+\.(jpg|png)|\1\.json)|{DOCUMENTS}/[^/]+/(draw_ann/\d+\.jpg|{RECORD_NAME})"
)


def image_name(document: str, page: int, suffix: str) -> str:
    """The file name of a page's image; `document` is the document's name, `suffix` begins with a dot."""
    return f"{file_stem(document)}_{page}{suffix}"


def document_of(image_name: str) -> str:
    """The file stem of the document whose page an image is."""
    return image_name.rpartition("_")[0]


def image_path(split: str, file_name: str = "") -> str:
    """Where a page's image is in the dataset's own folder; without a name, the images' folder."""
    return f"{split}/images/{file_name}"


def annotation_path(split: str) -> str:
    """Where a split's COCO file is in the dataset's own folder."""
    return f"{split}/{split}.json"


def image_key(split: str, file_name: str) -> str:
    """The key of a page's image."""
    return f"{TTV}/{image_path(split, file_name)}"


def annotation_key(split: str) -> str:
    """The key of a split's COCO file."""
    return f"{TTV}/{annotation_path(split)}"


def edited_key(sha256: str, split: str) -> str:
    """The key under which a split's COCO file with this digest is kept when another replaces it."""
    return f"{EDITED}/{sha256[:16]}/{split}.json"


def drawing_key(document: str, page: int) -> str:
    """The key of a page's drawing, with its labels; `document` is the document's name."""
    return f"{DOCUMENTS}/{file_stem(document)}/draw_ann/{page}.jpg"


def document_record_key(document: str) -> str:
    """The key of a document's record; `document` is the document's name."""
    return f"{DOCUMENTS}/{file_stem(document)}/{RECORD_NAME}"


def splits_with(file_name: str, size_bytes: int, sizes: Mapping[str, int]) -> list[str]:
    """The splits that hold an image of this name and size; `sizes` are all objects' sizes in bytes, by key."""
    return [split for split in SPLITS if sizes.get(image_key(split, file_name)) == size_bytes]


def is_ours(key: str) -> bool:
    """Whether the key is one that preprocess writes."""
    return _OURS.fullmatch(key) is not None
