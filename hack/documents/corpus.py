"""Draws a corpus of documents with tables and the BadgerDoc JSON that annotators would have made of them.

    python -m hack.documents.corpus FOLDER --documents 30 --seed 0

writes FOLDER/pdfs/*.pdf and FOLDER/json/*.json with exact ground truth: every cell's box is the rectangle its text was
drawn in. The same arguments give the same bytes.

Documents differ as real ones do, so that a detector that learned from them finds tables elsewhere: fonts and sizes,
one or two columns, ruled and unruled tables, fills, spans, empty cells, sections, turned headers, texts of several
lines, charts, lists and frames that are no tables, the noise of a scanner, pages without any table.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import A4, LETTER, landscape
from reportlab.pdfgen.canvas import Canvas

from hack.documents.page import DocumentStyle, PageWriter
from hack.documents.scan_noise import ScanNoise
from hack.documents.tables import BLACK
from hack.documents.text import FONTS, register_fonts

PAGE_SIZES = (A4, A4, A4, LETTER, landscape(A4), (420.0, 595.0))
ACCENTS = (BLACK, BLACK, (0.1, 0.2, 0.5), (0.6, 0.1, 0.1), (0.1, 0.4, 0.4))
SCANNED_SHARE = 0.15


def draw_document(path: Path, rng: random.Random, *, pages: int, dpi: int) -> dict[str, Any]:
    """Writes one PDF and returns its BadgerDoc JSON."""
    register_fonts()
    canvas = Canvas(str(path), invariant=1, pageCompression=1)
    style = _style(rng)
    noise = ScanNoise(rng) if rng.random() < SCANNED_SHARE else None
    found = []
    for number in range(pages):
        canvas.setPageSize(style.size)
        if noise:
            noise.below(canvas, *style.size)
        page = PageWriter(canvas, style, rng, dpi)
        # The first page always has a table; a quarter of the others have none.
        _fill_page(page, tables=rng.choice((1, 1, 2, 3)) if number == 0 or rng.random() < 0.75 else 0)
        page.margins(number + 1)
        if noise:
            noise.above(canvas, *style.size)
        canvas.showPage()
        found.append(page.finished(number))
    canvas.save()
    return {"doc_name": path.name, "pages": found}


def _style(rng: random.Random) -> DocumentStyle:
    size = rng.choice(PAGE_SIZES)
    return DocumentStyle(
        size=size,
        fonts=rng.choice(FONTS),
        font_size=rng.choice((8.0, 9.0, 10.0, 10.0, 11.0, 12.0)),
        margin=rng.uniform(36, 70),
        gap=rng.uniform(8, 26),
        columns=2 if size[0] > 500 and rng.random() < 0.2 else 1,
        accent=rng.choice(ACCENTS),
    )


def _fill_page(page: PageWriter, *, tables: int) -> None:
    rng = page.rng
    page.paragraph(1, bold=True, size=page.style.font_size + 5)
    drawn = 0
    if tables and page.style.columns == 2 and rng.random() < 0.5:
        drawn += page.captioned_table()  # across both columns
    page.start_columns()
    while True:
        while drawn < tables:
            _other(page, rng.choice(("text", "text", "text", "nothing", "bullets", "chart", "frame")))
            if page.captioned_table():
                drawn += 1
            elif not page.next_column():
                break
        _other(page, rng.choice(("text", "text", "nothing", "chart", "bullets", "frame")))
        page.paragraph(rng.randint(1, 60) if tables == 0 or rng.random() < 0.6 else rng.randint(1, 8))
        if not page.next_column():
            return


def _other(page: PageWriter, kind: str) -> None:
    """Draw what is no table."""
    if kind == "text":
        page.paragraph(page.rng.randint(1, 6))
    elif kind == "bullets":
        page.bullets(page.rng.randint(2, 7))
    elif kind == "chart":
        page.chart()
    elif kind == "frame":
        page.frame()


def draw_corpus(folder: Path, *, documents: int, seed: int, pages: int | None = None, dpi: int = 120) -> None:
    """Writes `documents` documents of `pages` pages (1 to 3 without) to `folder/pdfs` and `folder/json`."""
    for name in ("pdfs", "json"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(documents):
        rng = random.Random(f"{seed}/{index}")
        name = f"document-{index + 1:04d}"
        count = pages or rng.randint(1, 3)
        content = draw_document(folder / "pdfs" / f"{name}.pdf", rng, pages=count, dpi=dpi)
        (folder / "json" / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", type=int, help="pages of every document (1 to 3 without)")
    parser.add_argument("--dpi", type=int, default=120, help="resolution of the coordinates")
    options = parser.parse_args()
    draw_corpus(options.folder, documents=options.documents, seed=options.seed, pages=options.pages, dpi=options.dpi)


if __name__ == "__main__":
    main()
