"""The tables of a document as one HTML page: each page as it was drawn with what was found on it, and the grids."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from training.documents.page_image import PageImage
from training.infer.render_ahead import DrawnPage
from training.infer.tables import PredictedCell, PredictedPage, PredictedTable, labels
from training.labels.categories import CELL, COLOURS, HEADER, TABLE
from training.labels.draw import draw_page
from training.reports.markup import count, name, page_head, scrolled, text

_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 90rem; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.page { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
.page img { width: 100%; height: auto; border: 1px solid var(--line); background: #fff; }
.scroll { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; vertical-align: top; }
th { background: #8882; } .soft { opacity: .7; }
.key span { border-bottom: 3px solid; margin-right: 1rem; }
"""


def result_page(title: str, pages: Iterable[tuple[DrawnPage, PredictedPage]], folder: Path) -> tuple[str, int]:
    """The HTML, which holds its pictures, and the number of pages. Pictures are drawn in `folder` first."""
    sections, tables = [], 0
    for drawn, page in pages:
        sections.append(_section(drawn, page, folder))
        tables += len(page.tables)
    colours = "".join(
        f'<span style="border-color: {COLOURS[category]}">{word}</span>'
        for category, word in ((TABLE, "table"), (HEADER, "header"), (CELL, "cell"))
    )
    found = f"{count(tables, 'table')} on {count(len(sections), 'page')}"
    head = f'<h1>{name(title)}</h1>\n<p>{found}</p>\n<p class="key">{colours}</p>\n'
    return f"{page_head(title, _STYLE)}{head}{''.join(sections)}</body></html>\n", len(sections)


def _section(drawn: DrawnPage, page: PredictedPage, folder: Path) -> str:
    path = folder / "drawing.jpg"
    draw_page(PageImage(drawn.image.path).small, page.width, labels(page), path)
    picture = base64.b64encode(path.read_bytes()).decode()
    path.unlink()
    alternative = f"Page {page.number + 1} with {count(len(page.tables), 'table')} outlined"
    grids = "".join(grid(index, table) for index, table in enumerate(page.tables, 1)) or "<p>No table.</p>"
    return (
        f"<h2>Page {page.number + 1}</h2>\n"
        f'<div class="page"><img alt="{alternative}" src="data:image/jpeg;base64,{picture}"><div>{grids}</div></div>\n'
    )


def grid(index: int, table: PredictedTable) -> str:
    """A table as HTML, without its place on the page."""
    rows = "".join(f"<tr>{row}</tr>" for row in _rows(table.cells))
    return f"{scrolled(f'Table {index}')}<table><tbody>{rows}</tbody></table></div>\n"


def _rows(cells: Iterable[PredictedCell]) -> Iterator[str]:
    """The rows of the grid. Where it has no cell, an empty one stands, so that the others keep their columns."""
    by_row: dict[int, list[PredictedCell]] = defaultdict(list)
    for cell in cells:
        by_row[cell.place.row].append(cell)
    spanned: set[tuple[int, int]] = set()
    for row in range(max(by_row, default=-1) + 1):
        parts, column = [], 0
        for cell in sorted(by_row[row], key=lambda cell: cell.place.column):
            place = cell.place
            empty = sum((row, between) not in spanned for between in range(column, place.column))
            parts.append("<td></td>" * empty + _cell(cell))
            column = place.column + place.colspan
            spanned |= set(product(range(row + 1, row + place.rowspan), range(place.column, column)))
        yield "".join(parts)


def _cell(cell: PredictedCell) -> str:
    place = cell.place
    spans = "".join(
        f' {kind}="{size}"' for kind, size in (("rowspan", place.rowspan), ("colspan", place.colspan)) if size > 1
    )
    tag = "th" if place.is_header else "td"
    return f"<{tag}{spans}>{text(cell.text)}</{tag}>"
