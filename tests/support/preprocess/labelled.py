"""Labels of pages without CropBox or rotation, as preprocess makes them of an image and its words."""

from collections.abc import Sequence

from training.badgerdoc.document import Page
from training.documents.sizes.page_geometry import POINTS_PER_INCH, PageGeometry
from training.geometry import Box, Word
from training.labels.content import InkLookup
from training.labels.frames.frame import AUTO, PLAIN, Coordinates, Projection, place, unexplained
from training.labels.labelling import PageLabels, label_page

DPI = 120


def label_drawn(
    page: Page,
    width: int,
    height: int,
    words: Sequence[Word],
    ink: InkLookup,
    *,
    coordinates: Coordinates = AUTO,
) -> PageLabels:
    """The labels of `page`, drawn at 120 dpi with `width` x `height` pixels. Raises what preprocess raises."""
    if not page.tables:
        return PageLabels([])
    points = POINTS_PER_INCH / DPI
    sheet = Box(0, 0, width * points, height * points)
    geometries = [PageGeometry(sheet, sheet)] * (page.page_num + 1)
    placement = place(page, geometries, PLAIN, dpi=DPI, coordinates=coordinates)
    if placement is None:
        raise unexplained(page, [PLAIN], geometries, dpi=DPI, coordinates=coordinates)
    return label_page(page, Projection(placement, width, height), words, ink)
