"""`python3 -m training.annotations convert --from FORMAT SOURCE --output FOLDER`: other annotations as documents.

The output holds pdfs/ and json/, as training.preprocess takes them. Without --pdfs, the PDFs are made of the page
images. Exit code 0, or 65 if a document was left out.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.annotations.importers.convert import Conversion, Written
from training.annotations.importers.formats import coco, pubtables
from training.annotations.importers.formats.box_tables import imported_page
from training.annotations.importers.formats.imported_page import ImportedPage, Size
from training.annotations.importers.formats.labels import LabelNames
from training.annotations.importers.grouping import ImportedDocument, Unplaced, by_image_names, by_pdfs
from training.annotations.importers.image_files import ImageFiles
from training.annotations.importers.page_sources import PageImages, PageSource, Pdfs
from training.annotations.progress import ProgressLine
from training.annotations.tools import cvat, label_studio
from training.annotations.tools.tool_page import ToolPage
from training.badgerdoc.document import Block
from training.documents.names import JSON_FOLDER, PDF_FOLDER, document_name
from training.documents.quarantine import DocumentError, QuarantinedDocument
from training.documents.render import RenderOptions
from training.errors import ConfigError, DataError
from training.options import OptionParser, positive_integer, whole_number
from training.process.container import available_cpus
from training.process.logs import start_logging
from training.storage.base import Storage
from training.storage.uri import open_parent, open_storage

PUBTABLES = "pubtables-1m"
BOX_READERS: Mapping[str, Callable[[bytes, str], list[ToolPage]]] = {
    "coco": coco.read,
    "label-studio": label_studio.read,
    "cvat": cvat.read,
}
WORDS_SUFFIX = "_words.json"


@dataclass(frozen=True)
class Source:
    """What is to be written: the documents, their PDFs, and the images that belong to none."""

    documents: Sequence[ImportedDocument]
    page_source: PageSource
    unplaced: Sequence[Unplaced] = ()


def run(arguments: Sequence[str]) -> None:
    """Converts and prints what was written. Raises DataError if a document was left out, ConfigError for options."""
    options = parse_options(arguments)
    start_logging(logging.WARNING)
    target = open_storage(options.output)
    target.check_writable()
    for folder in (PDF_FOLDER, JSON_FOLDER):
        if any(target.list_objects(folder)):
            raise ConfigError(f"{target.uri()} has files in {folder} already; name an empty folder in --output.")
    source = pubtables_source(options) if options.source_format == PUBTABLES else box_source(options)
    with tempfile.TemporaryDirectory(prefix="convert-") as scratch:
        conversion = Conversion(
            source_format=options.source_format,
            page_source=source.page_source,
            target=target,
            scratch=Path(scratch),
            workers=available_cpus(),
        )
        results = conversion.write(source.documents, ProgressLine("written"))
    print("\n".join(summary(results, source.unplaced, target.uri())), flush=True)
    check_results(results, source.unplaced)


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Parses and checks the command line. Raises ConfigError if it is contradictory or incomplete."""
    parser = OptionParser(prog="python3 -m training.annotations convert", description=__doc__ or "")
    parser.add_argument(
        "source", metavar="SOURCE", help=f"the exported file, or the folder of {PUBTABLES}: a path or s3://"
    )
    parser.add_argument(
        "--from", dest="source_format", required=True, choices=(*BOX_READERS, PUBTABLES), help="format of SOURCE"
    )
    parser.add_argument("--output", required=True, help="empty folder for pdfs/ and json/: a path or s3://")
    parser.add_argument("--images", help="folder of the page images (that of SOURCE)")
    parser.add_argument(
        "--pdfs", help="folder of the PDFs that the images show: <name>_<page>.jpg is a page of <name>.pdf"
    )
    parser.add_argument(
        "--first-page", type=whole_number, default=0, help="the number of a PDF's first page in the images' names (0)"
    )
    parser.add_boolean(
        "--group-pages", default=True, description="without --pdfs: <name>_<number> are pages of one document (True)"
    )
    parser.add_argument(
        "--image-dpi",
        type=positive_integer,
        default=RenderOptions.dpi,
        help=f"without --pdfs: resolution of the images, which decides the pages' size ({RenderOptions.dpi})",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="LABEL=NAME",
        help="what a label of SOURCE is: table, Cell, header or none; repeat it for each label",
    )
    parsed = parser.parse_args(arguments)
    if parsed.pdfs and parsed.images:
        raise ConfigError("--pdfs and --images exclude each other; with the PDFs, the images are not needed.")
    if parsed.source_format == PUBTABLES and (parsed.pdfs or parsed.label):
        raise ConfigError(f"--pdfs and --label are not for {PUBTABLES}, which has images and labels of its own.")
    return parsed


def box_source(options: argparse.Namespace) -> Source:
    """The documents of a file with labelled boxes. Raises DataError and ConfigError."""
    storage, key = open_parent(options.source)
    names = LabelNames.parse(options.label)
    exported = BOX_READERS[options.source_format](storage.read_bytes(key), key)
    names.check(exported)
    pages = [imported_page(page, names) for page in exported]
    if options.pdfs:
        pdfs = open_storage(options.pdfs)
        keys = {
            document_name(item.key.rpartition("/")[2], ".pdf"): item.key
            for item in pdfs.list_objects()
            if item.key.lower().endswith(".pdf")
        }
        documents, unplaced = by_pdfs(pages, keys, first_page=options.first_page)
        return Source(documents, Pdfs(pdfs, keys), unplaced)
    return _image_source(pages, storage, options)


def pubtables_source(options: argparse.Namespace) -> Source:
    """The documents of a folder of PubTables-1M: XML files, images and words anywhere below it."""
    storage = open_storage(options.source)
    keys = [item.key for item in storage.list_objects()]
    words = {key.rpartition("/")[2]: key for key in keys if key.endswith(WORDS_SUFFIX)}
    pages = [_pubtables_page(storage, key, words) for key in keys if key.endswith(".xml")]
    return _image_source(pages, storage, options)


def _image_source(pages: Sequence[ImportedPage], storage: Storage, options: argparse.Namespace) -> Source:
    """Documents that are made of the page images in --images, or else in `storage`."""
    images = ImageFiles(open_storage(options.images) if options.images else storage)
    placed, unplaced = [], []
    for page in pages:
        try:
            placed.append(replace(page, image=images.key(page.image)))
        except DocumentError as error:
            unplaced.append(Unplaced(page.image, str(error)))
    documents = by_image_names(placed, group=options.group_pages)
    return Source(documents, PageImages(images.storage, options.image_dpi), unplaced)


def _pubtables_page(storage: Storage, key: str, words: Mapping[str, str]) -> ImportedPage:
    stem = key.rpartition("/")[2].removesuffix(".xml")
    words_key = words.get(stem + WORDS_SUFFIX)

    def blocks(size: Size) -> tuple[Block, ...]:
        # Read only now: the whole set has a million files.
        found = storage.read_bytes(words_key) if words_key else None
        return pubtables.read(storage.read_bytes(key), found, size)

    return ImportedPage(f"{stem}.jpg", None, blocks)


def summary(results: Sequence[Written | QuarantinedDocument], unplaced: Sequence[Unplaced], target: str) -> list[str]:
    """The output for people: what was left out and why, then what was written."""
    lines = [f"{item.image}: left out: {item.message}" for item in unplaced]
    lines += [f"{item.name}: left out: {item.message}" for item in results if isinstance(item, QuarantinedDocument)]
    written = [item for item in results if isinstance(item, Written)]
    names = ("pages", "tables", "cells", "without_cells")
    pages, tables, cells, without_cells = (sum(getattr(item, name) for item in written) for name in names)
    if without_cells:
        lines.append(f"{without_cells:,} tables have no cells: a network trained on them learns not to find any")
    lines.append(f"{target}: {len(written):,} documents, {pages:,} pages, {tables:,} tables, {cells:,} cells")
    if written:
        lines.append(f"check them with `python3 -m training.annotations validate {target}`")
    return lines


def check_results(results: Sequence[Written | QuarantinedDocument], unplaced: Sequence[Unplaced]) -> None:
    """Raises DataError if anything was left out, or there was nothing."""
    left_out = len(unplaced) + sum(isinstance(item, QuarantinedDocument) for item in results)
    if left_out:
        raise DataError(f"{left_out} documents or images were left out, as said above; correct them and convert again.")
    if not results:
        raise DataError("The source has no page; check that it is the exported file or folder.")
