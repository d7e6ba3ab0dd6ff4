"""Draws an invented table on a page of a PDF: fills, texts, rules."""

from reportlab.pdfbase.pdfmetrics import getAscentDescent
from reportlab.pdfgen.canvas import Canvas

from hack.documents.tables import BLACK, LEADING, GridCell, TableSketch


def draw_table(canvas: Canvas, sketch: TableSketch, left: float, top: float) -> None:
    """Draw the table whose top-left corner is `left` points from the left and at height `top`, counted upwards."""
    _fills(canvas, sketch, left, top)
    for cell in sketch.cells:
        if cell.is_vertical:
            _vertical_text(canvas, sketch, cell, left, top)
        elif cell.lines:
            _text(canvas, sketch, cell, left, top)
    _rules(canvas, sketch, left, top)
    canvas.setFillColorRGB(*BLACK)
    canvas.setStrokeColorRGB(*BLACK)


def _fills(canvas: Canvas, sketch: TableSketch, left: float, top: float) -> None:
    looks, tops = sketch.looks, sketch.tops
    if looks.stripe:
        canvas.setFillColorRGB(*looks.stripe)
        for row in range(sketch.header_rows + 1, len(sketch.heights), 2):
            canvas.rect(left, top - tops[row + 1], sketch.width, sketch.heights[row], stroke=0, fill=1)
    if looks.header_fill and sketch.header_rows:
        height = tops[sketch.header_rows]
        canvas.setFillColorRGB(*looks.header_fill)
        canvas.rect(left, top - height, sketch.width, height, stroke=0, fill=1)


def _colour_text(canvas: Canvas, sketch: TableSketch, cell: GridCell) -> None:
    on_fill = cell.row < sketch.header_rows and sketch.looks.header_fill is not None
    canvas.setFillColorRGB(*(sketch.looks.header_text if on_fill else BLACK))


def _text(canvas: Canvas, sketch: TableSketch, cell: GridCell, left: float, top: float) -> None:
    x0, y0, x1, y1 = sketch.rectangle(cell)
    looks, size = sketch.looks, sketch.looks.font_size
    font = looks.font(cell)
    ascent, descent = getAscentDescent(font, size)
    block = (len(cell.lines) - 1) * size * LEADING
    baseline = top - (y0 + y1) / 2 - (ascent + descent) / 2 + block / 2
    canvas.setFont(font, size)
    _colour_text(canvas, sketch, cell)
    for line in cell.lines:
        if cell.alignment == "right":
            canvas.drawRightString(left + x1 - looks.padding, baseline, line)
        elif cell.alignment == "centre":
            canvas.drawCentredString(left + (x0 + x1) / 2, baseline, line)
        else:
            canvas.drawString(left + x0 + looks.padding, baseline, line)
        baseline -= size * LEADING


def _vertical_text(canvas: Canvas, sketch: TableSketch, cell: GridCell, left: float, top: float) -> None:
    x0, _, x1, y1 = sketch.rectangle(cell)
    looks, size = sketch.looks, sketch.looks.font_size
    ascent, descent = getAscentDescent(looks.font(cell), size)
    canvas.saveState()
    canvas.translate(left + (x0 + x1) / 2 + (ascent + descent) / 2, top - y1 + looks.padding)
    canvas.rotate(90)
    canvas.setFont(looks.font(cell), size)
    _colour_text(canvas, sketch, cell)
    canvas.drawString(0, 0, cell.lines[0])
    canvas.restoreState()


def _rules(canvas: Canvas, sketch: TableSketch, left: float, top: float) -> None:
    looks = sketch.looks
    right, bottom = left + sketch.width, top - sketch.height
    canvas.setLineWidth(looks.rule_width)
    canvas.setStrokeColorRGB(*looks.rule_colour)
    if looks.style == "bordered":
        for cell in sketch.cells:
            x0, y0, x1, y1 = sketch.rectangle(cell)
            canvas.rect(left + x0, top - y1, x1 - x0, y1 - y0)
    elif looks.style == "rows ruled":
        for row, below in enumerate(sketch.tops):
            if sketch.header_rows == 2 and row == 1:
                continue  # it would cut through the header cell that spans both rows
            canvas.line(left, top - below, right, top - below)
    elif looks.style == "header ruled":
        for y in (top, top - sketch.tops[max(1, sketch.header_rows)], bottom):
            canvas.line(left, y, right, y)
    elif looks.style == "columns ruled":
        x = left
        for width in (0.0, *sketch.widths):
            x += width
            canvas.line(x, top - sketch.tops[sketch.header_rows], x, bottom)
        for y in (top, bottom):
            canvas.line(left, y, right, y)
    elif looks.style == "framed":
        canvas.rect(left, bottom, sketch.width, sketch.height)
        y = top - sketch.tops[max(1, sketch.header_rows)]
        canvas.line(left, y, right, y)
