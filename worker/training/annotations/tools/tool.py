"""The correction tools: the files that each takes, and how its exports are read. Pure."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.annotations.tools import coco, cvat, label_studio
from training.dataset.edited import Coco, parse_coco
from training.errors import DataError
from training.labels.labelled_page import LabelledPage

MOST_BYTES = 1 << 30  # of an export's file of annotations in an archive
Address = Callable[[str], str]  # where, or under which name, the tool finds the image of a file name


@dataclass(frozen=True)
class Tool:
    """`write` gives the contents of the files to be imported, by name, for a split's pages.

    `read` parses an export, whose name is for messages. `takes_addresses` tells whether the files name where images
    are; other tools have the images in a folder of their own.
    """

    write: Callable[[str, Sequence[LabelledPage], Address], Mapping[str, bytes]]
    read: Callable[[bytes, str], Coco]
    takes_addresses: bool


def _write_coco_annotator(split: str, pages: Sequence[LabelledPage], _: Address) -> Mapping[str, bytes]:
    return {f"{split}.json": coco.with_outlines(pages)}


def _write_coco(split: str, pages: Sequence[LabelledPage], _: Address) -> Mapping[str, bytes]:
    return {f"{split}.json": coco.boxes_alone(pages)}


def _write_label_studio(split: str, pages: Sequence[LabelledPage], address: Address) -> Mapping[str, bytes]:
    return {
        f"{split}-tasks.json": label_studio.tasks(pages, address),
        "label-config.xml": label_studio.LABEL_CONFIG.encode(),
    }


def _write_cvat(split: str, pages: Sequence[LabelledPage], address: Address) -> Mapping[str, bytes]:
    files = {"labels.json": cvat.labels()}
    addresses = [address(page.file_name) for page in pages]
    if not any("://" in text for text in addresses):
        return {**files, f"{split}.xml": cvat.annotations(pages, address)}
    # CVAT calls an image that it downloads by the end of its URL.
    urls = "".join(f"{text}\n" for text in addresses)
    return {**files, f"{split}.xml": cvat.annotations(pages, str), f"{split}-images.txt": urls.encode()}


def _read_label_studio(data: bytes, where: str) -> Coco:
    if data.lstrip()[:1] == b"{":
        return coco.labelled_images_alone(parse_coco(data, where))
    return coco.as_coco(label_studio.read(data, where))


def _read_cvat(data: bytes, where: str) -> Coco:
    return parse_coco(data, where) if data.lstrip()[:1] == b"{" else coco.as_coco(cvat.read(data, where))


TOOLS: Mapping[str, Tool] = {
    "coco-annotator": Tool(_write_coco_annotator, parse_coco, takes_addresses=False),
    "label-studio": Tool(_write_label_studio, _read_label_studio, takes_addresses=True),
    "cvat": Tool(_write_cvat, _read_cvat, takes_addresses=True),
    "coco": Tool(_write_coco, parse_coco, takes_addresses=False),
}


def unpacked(data: bytes, where: str) -> tuple[bytes, str]:
    """The file of annotations in the archive `data`, and its name for messages; other data as it is.

    Raises DataError if there is none in it, or several.
    """
    if not data.startswith(b"PK\x03\x04"):
        return data, where
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [entry for entry in archive.infolist() if entry.filename.lower().endswith((".json", ".xml"))]
            if len(found) != 1:
                names = ", ".join(entry.filename for entry in found) or "none"
                raise DataError(
                    f"{where} must hold one file of annotations, .json or .xml, but has {names}; unpack it."
                )
            if found[0].file_size > MOST_BYTES:
                raise DataError(f"{where}: {found[0].filename} has {found[0].file_size} bytes; export fewer pages.")
            return archive.read(found[0]), f"{where}: {found[0].filename}"
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataError(f"{where} cannot be unpacked ({error}); export it again.") from None
