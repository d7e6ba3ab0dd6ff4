"""Adds one document of each fault to a corpus: what preprocess quarantines, one for every reason that it gives.

    python -m hack.documents.faults FOLDER

writes FOLDER/pdfs/<reason>.pdf and FOLDER/json/<reason>.json; the file names say what is wrong.
"""

import argparse
import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, PdfObject, RectangleObject, StreamObject

from hack.documents.corpus import draw_corpus

PASSWORD = "open sesame"  # noqa: S105 - of the encrypted document
BOMB_DEPTH, BOMB_WIDTH = 9, 9

Annotations = dict[str, Any]


def draw_faults(folder: Path, *, seed: int = 0) -> dict[str, str]:
    """Writes one document of each fault and returns the reason that each, by its name, is to be quarantined for."""
    for name in ("pdfs", "json"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pattern = folder / "fault-pattern"
    draw_corpus(pattern, documents=1, seed=seed, pages=2)
    pdf = (pattern / "pdfs" / "document-0001.pdf").read_bytes()
    annotations = json.loads((pattern / "json" / "document-0001.json").read_bytes())
    for path in sorted(pattern.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    pattern.rmdir()

    write_pdf: dict[str, Callable[[bytes], bytes] | None] = {
        "no_pdf": None,
        "encrypted": _encrypted,
        "corrupt-truncated": lambda data: data[: len(data) // 3],
        "corrupt-empty": lambda _: b"",
        "corrupt-web-page": lambda _: b"<!doctype html><title>Sign in</title>",
        "too_large-page": _page_of(100_000, 100_000),  # 80 GB as an image
        "too_large-for-jpeg": _page_of(300, 40_000),
        "shape-ribbon": _page_of(30, 10_000),
        "shape-stamp": _page_of(10, 15),
        "timeout-page-bomb": _page_bomb,
    }
    write_json: dict[str, Callable[[Annotations], bytes] | None] = {
        "no_json": None,
        "schema-no-number": _changed(lambda found: found["pages"][0].update(page_num="one")),
        "schema-truncated": lambda found: json.dumps(found).encode()[:200],
        "schema-page-twice": _changed(lambda found: found["pages"].append(found["pages"][0])),
        "page_missing-beyond-the-end": _changed(lambda found: found["pages"][1].update(page_num=7)),
        "page_missing-counted-from-1": _changed(_count_from_one),
        "empty_table": _changed(lambda found: found["pages"][0]["blocks"].append({"type": "table"})),
        "coordinates-other-shape": _changed(lambda found: found["pages"][0]["bbox"].update(width=4000)),
        "coordinates-outside": _changed(_shift_table),
        "coordinates-no-page-box": _changed(lambda found: found["pages"][0].pop("bbox")),
        "text_mismatch-other-texts": _changed(_other_texts),
    }
    for name in write_pdf.keys() | write_json.keys():
        of_pdf = write_pdf.get(name, lambda data: data)
        of_json = write_json.get(name, lambda found: json.dumps(found).encode())
        if of_pdf is not None:
            (folder / "pdfs" / f"{name}.pdf").write_bytes(of_pdf(pdf))
        if of_json is not None:
            (folder / "json" / f"{name}.json").write_bytes(of_json(copy.deepcopy(annotations)))
    return {name: name.partition("-")[0] for name in write_pdf.keys() | write_json.keys()}


def _changed(change: Callable[[Annotations], Any]) -> Callable[[Annotations], bytes]:
    def write(annotations: Annotations) -> bytes:
        change(annotations)
        return json.dumps(annotations).encode()

    return write


def _count_from_one(annotations: Annotations) -> None:
    for page in annotations["pages"]:
        page["page_num"] += 1


def _other_texts(annotations: Annotations) -> None:
    for block in (block for page in annotations["pages"] for block in page["blocks"]):
        for cell in block.get("header", []) + block.get("cells", []):
            cell["text"] = "of another document"


def _shift_table(annotations: Annotations) -> None:
    table = next(block for block in annotations["pages"][0]["blocks"] if block["type"] == "table")
    table["bbox"]["left"] += 2000


def _encrypted(data: bytes) -> bytes:
    return _rewritten(data, lambda writer: writer.encrypt(PASSWORD, algorithm="AES-256-R5"))


def _page_of(width_pt: float, height_pt: float) -> Callable[[bytes], bytes]:
    """Gives the first page this size."""
    box = RectangleObject((0, 0, width_pt, height_pt))
    return lambda data: _rewritten(data, lambda writer: setattr(writer.pages[0], "mediabox", box))


def _page_bomb(data: bytes) -> bytes:
    """A page whose form draws another one several times, which does the same, and so on: hundreds of millions."""

    def change(writer: PdfWriter) -> None:
        below = _form(writer, b"0 0 m 600 800 l 0 400 l 600 0 l B*\n" * 20, {})
        for _ in range(BOMB_DEPTH):
            below = _form(writer, b"/F Do\n" * BOMB_WIDTH, {"/F": below})
        page = writer.pages[0]
        page[NameObject("/Resources")] = _resources({"/F": below})
        page[NameObject("/Contents")] = writer._add_object(_stream(b"/F Do\n", {}))

    return _rewritten(data, change)


def _form(writer: PdfWriter, content: bytes, forms: dict[str, PdfObject]) -> PdfObject:
    entries = {
        "/Type": NameObject("/XObject"),
        "/Subtype": NameObject("/Form"),
        "/BBox": RectangleObject((0, 0, 600, 800)),
        "/Resources": _resources(forms),
    }
    return writer._add_object(_stream(content, entries))


def _resources(forms: dict[str, PdfObject]) -> DictionaryObject:
    found = DictionaryObject({NameObject(name): form for name, form in forms.items()})
    return DictionaryObject({NameObject("/XObject"): found})


def _stream(content: bytes, entries: dict[str, PdfObject]) -> StreamObject:
    stream = StreamObject()
    stream.set_data(content)
    stream.update({NameObject(name): value for name, value in entries.items()})
    return stream


def _rewritten(data: bytes, change: Callable[[PdfWriter], Any]) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    change(writer)
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, reason in sorted(draw_faults(parser.parse_args().folder).items()):
        print(f"{reason:15} {name}")


if __name__ == "__main__":
    main()
