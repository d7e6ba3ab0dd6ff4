"""Whatever frame a tool writes its boxes in, they come to the same place of the page, or the document says why not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.preprocess.drawn_frames import FONT_PT, TABLE_PT, TEXTS, Writer, cells_of
from training.badgerdoc.document import Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.documents.sizes.page_geometry import PageBox, PageGeometry
from training.geometry import Box, Word, Words
from training.labels.frames.evidence import Content
from training.labels.frames.frame import AUTO, Coordinates, Turn, possible_frames
from training.labels.frames.search import DocumentFrame, FrameSearch

DPI = 120
PIXELS = DPI / 72
A4 = Box(0, 0, 595, 842)
CROP = Box(59.5, 84.2, 535.5, 757.8)  # of the same shape


def geometry(media: Box, crop: Box | None = None, rotation: int = 0) -> PageGeometry:
    return PageGeometry.of_pdf(media, crop or media, rotation=rotation)


def words_of(page: PageGeometry, table: Box) -> list[Word]:
    """The words of the table, one in each cell, and lines of text above and below it, in pixels of the MediaBox."""
    words = [
        Word(Box(cell.left + 6, cell.top + 6, cell.left + 6 + len(text) * FONT_PT / 2, cell.top + 6 + FONT_PT), text)
        for cell, text in zip(cells_of(table), TEXTS, strict=True)
    ]
    lines = (line * 14.0 for line in range(int(page.media.height // 14)))
    for top in lines:
        if top + FONT_PT < table.top - 4 or top > table.bottom + 4:
            words += [
                Word(Box(left, top, left + 30, top + FONT_PT), "prose")
                for left in (x * 34.0 for x in range(int(page.media.width // 34)))
            ]
    return [Word(word.box.scaled(PIXELS, PIXELS), word.text) for word in words]


def shifted(words: Sequence[Word], box: Box) -> Words:
    return Words(Word(word.box.shifted(-box.left * PIXELS, -box.top * PIXELS), word.text) for word in words)


def find(
    pages: Sequence[Page],
    geometries: Sequence[PageGeometry],
    words: Sequence[Sequence[Word]],
    *,
    box: PageBox | None = None,
    coordinates: Coordinates = AUTO,
) -> DocumentFrame:
    frames = possible_frames(geometries, range(len(pages)), box, coordinates)
    search = FrameSearch(frames, geometries, dpi=DPI, coordinates=coordinates)
    for page in pages:
        search.see(page)
    return search.choose(
        (page, Content(Words(found), lambda _: None)) for page, found in zip(pages, words, strict=True)
    )


def placed(
    found: DocumentFrame, page: Page, geometries: Sequence[PageGeometry], words: Sequence[Word]
) -> Iterator[Box]:
    """The boxes of the page's table and cells, in points of the MediaBox."""
    box = geometries[page.page_num].box(found.frame.box)
    placement = found.placement(page, Content(shifted(words, box), lambda _: None))
    for each in page.boxes:
        yield placement(each.box).scaled(1 / PIXELS, 1 / PIXELS).shifted(box.left, box.top)


def is_right(found: Sequence[Box], table: Box) -> bool:
    expected = [table, *cells_of(table)]
    off = [
        abs(a - b) * PIXELS for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
    ]
    return max(off) <= 1


SIDES = st.integers(480, 900).map(float)


@st.composite
def sheets(draw: st.DrawFn) -> PageGeometry:
    """A page with or without a CropBox: of its shape, of another, a trim, or one that reaches off the page."""
    width, height = draw(SIDES), draw(SIDES)
    kind = draw(st.sampled_from(["none", "shape", "other", "trim", "off"]))
    inset = draw(st.floats(2, 15)) if kind == "trim" else draw(st.floats(20, 60))
    crop = {
        "none": Box(0, 0, width, height),
        "shape": Box(0.06 * width, 0.08 * height, 0.94 * width, 0.96 * height),
        "other": Box(inset, inset / 2, width - 20, height - 3 * inset / 2),
        "trim": Box(inset, inset, width - inset, height - inset),
        "off": Box(inset, inset, width, height),
    }[kind]
    return geometry(Box(0, 0, width, height), crop, draw(st.sampled_from([0, 90, 180, 270])))


@st.composite
def writers(draw: st.DrawFn) -> Writer:
    whole = draw(st.booleans())
    dpi = draw(st.integers(36, 400).map(float)) if whole else draw(st.floats(36, 400))
    return Writer(
        box=draw(st.sampled_from(PageBox)),
        is_turned=draw(st.booleans()),
        dpi=dpi,
        with_text=draw(st.booleans()),
        whole_page=whole,
    )


@given(sheets(), writers(), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_boxes_of_any_frame_come_to_their_place_or_the_document_is_quarantined_with_the_frames(
    sheet: PageGeometry, writer: Writer, x: float, y: float
) -> None:
    room = sheet.crop.width - TABLE_PT[0], sheet.crop.height - TABLE_PT[1]
    table = Box(0, 0, *TABLE_PT).shifted(sheet.crop.left + x * room[0], sheet.crop.top + y * room[1])
    page = Page.model_validate(writer.page(0, [sheet], table))
    words = words_of(sheet, table)
    found, refusal = [], None
    try:
        found = list(placed(find([page], [sheet], [words]), page, [sheet], words))
    except DocumentError as error:
        refusal = error
    if refusal is None:
        assert is_right(found, table)
    else:
        assert refusal.quarantine_reason is Reason.COORDINATES
        assert "Box " in str(refusal)


UPRIGHT = geometry(A4)
CROPPED = geometry(A4, CROP)
OTHER_SHAPE = geometry(A4, Box(40, 300, 555, 800))
TRIMMED = geometry(A4, Box(9, 9, 586, 833))
LARGE = geometry(A4.scaled(2**0.5, 2**0.5))
LETTER = geometry(Box(0, 0, 612, 792))
INCHES = PageGeometry.of_pdf(Box(0, 0, 8.5, 11), Box(0, 0, 8.5, 11), rotation=0, user_unit=72)
SQUARE = geometry(Box(0, 0, 700, 700), rotation=90)
BEFORE_ROTATION = Writer(is_turned=False)
# What is to be found: the frame's box, turn, and whether pages have the first page's size.
AS_DRAWN = (PageBox.MEDIA, Turn.AS_DRAWN, False)
OF_CROP = (PageBox.CROP, Turn.AS_DRAWN, False)
BEFORE = (PageBox.MEDIA, Turn.BEFORE_ROTATION, False)
OF_FIRST = (PageBox.MEDIA, Turn.AS_DRAWN, True)


def document(
    geometries: Sequence[PageGeometry], writer: Writer, *, left: float = 100, top: float = 130
) -> tuple[list[Page], list[list[Word]], Box]:
    table = Box(0, 0, *TABLE_PT).shifted(left, top)
    pages = [Page.model_validate(writer.page(number, geometries, table)) for number in range(len(geometries))]
    return pages, [words_of(each, table) for each in geometries], table


@pytest.mark.parametrize("with_text", [True, False])
@pytest.mark.parametrize(
    ("geometries", "writer", "frame"),
    [
        ([CROPPED], Writer(PageBox.MEDIA), AS_DRAWN),
        ([CROPPED], Writer(PageBox.CROP), OF_CROP),
        ([CROPPED], Writer(PageBox.CROP, dpi=72), OF_CROP),
        ([CROPPED], Writer(PageBox.CROP, dpi=400), OF_CROP),
        ([OTHER_SHAPE], Writer(PageBox.MEDIA), AS_DRAWN),
        ([OTHER_SHAPE], Writer(PageBox.CROP), OF_CROP),
        # The trim changes the shape by more than rounding does.
        ([TRIMMED], Writer(PageBox.MEDIA, dpi=300), AS_DRAWN),
        ([TRIMMED], Writer(PageBox.CROP, dpi=300), OF_CROP),
        ([UPRIGHT, CROPPED], Writer(PageBox.CROP), OF_CROP),
        ([UPRIGHT, CROPPED], Writer(PageBox.MEDIA), AS_DRAWN),
        ([geometry(A4, CROP, 90)], Writer(PageBox.CROP), OF_CROP),
        *(([geometry(A4, None, angle)], BEFORE_ROTATION, BEFORE) for angle in (90, 180, 270)),
        *(([geometry(A4, None, angle)], Writer(), AS_DRAWN) for angle in (90, 180, 270)),
        ([geometry(A4, CROP, 270)], Writer(PageBox.CROP, is_turned=False), (PageBox.CROP, Turn.BEFORE_ROTATION, False)),
        ([SQUARE], BEFORE_ROTATION, BEFORE),
        ([SQUARE], Writer(), AS_DRAWN),
        ([UPRIGHT, LARGE], Writer(of_first_page=True, dpi=72), OF_FIRST),
        ([LARGE, UPRIGHT], Writer(of_first_page=True, dpi=72), OF_FIRST),
        ([UPRIGHT, LETTER], Writer(of_first_page=True), OF_FIRST),
        ([UPRIGHT, LARGE], Writer(), AS_DRAWN),
        ([INCHES], Writer(), AS_DRAWN),
    ],
)
def test_each_frame_is_found_by_the_size_of_the_page_and_what_is_in_the_cells(
    geometries: list[PageGeometry], writer: Writer, frame: tuple[PageBox, Turn, bool], with_text: bool
) -> None:
    pages, words, table = document(geometries, replace(writer, with_text=with_text))
    found = find(pages, geometries, words)
    assert (found.frame.box, found.frame.turn, found.frame.of_first_page) == frame
    for page, page_words in zip(pages, words, strict=True):
        assert is_right(list(placed(found, page, geometries, page_words)), table)


@pytest.mark.parametrize(
    ("geometries", "writer", "named"),
    [
        ([CROPPED], Writer(PageBox.CROP), ["as MediaBox 595 x 842 pt, as CropBox 476 x 674 pt", "--frame crop"]),
        ([geometry(A4, None, 180)], Writer(), ["before its rotation", "turn the page in the PDF itself"]),
        ([UPRIGHT, LETTER], Writer(of_first_page=True), ["of the first page", "give each page its own size"]),
    ],
)
def test_a_frame_that_no_content_confirms_quarantines_the_document_and_is_named(
    geometries: list[PageGeometry], writer: Writer, named: list[str]
) -> None:
    pages, _, _ = document(geometries, writer)
    with pytest.raises(DocumentError) as caught:
        find(pages, geometries, [[] for _ in pages])
    assert caught.value.quarantine_reason is Reason.COORDINATES
    assert [part for part in named if part not in str(caught.value)] == []


def test_words_that_cells_touch_without_holding_them_confirm_nothing() -> None:
    """The boxes are of another page than the one that was drawn: most cells touch words, but cut them."""
    turned = geometry(A4, None, 270)
    pages, words, _ = document([turned], replace(BEFORE_ROTATION, with_text=False))
    moved = [Word(word.box.shifted(31, 17), word.text) for word in words[0]]
    with pytest.raises(DocumentError, match="cannot be told"):
        find(pages, [turned], [moved])


def test_a_size_that_no_frame_has_names_those_that_were_tried() -> None:
    pages, words, _ = document([OTHER_SHAPE], Writer())
    stretched = pages[0].model_copy(update={"bbox": PixelBox(left=0, top=0, width=992, height=992)})
    with pytest.raises(DocumentError, match=r"another shape .*as MediaBox 595 x 842 pt, as CropBox 515 x 500 pt"):
        find([stretched], [OTHER_SHAPE], words)


@pytest.mark.parametrize("box", list(PageBox))
def test_a_frame_that_the_user_or_the_json_states_needs_no_content(box: PageBox) -> None:
    pages, _, table = document([CROPPED], Writer(box))
    assert find(pages, [CROPPED], [[]], box=box).frame.box is box
    stated = [page.model_copy(update={"frame": box}) for page in pages]
    found = find(stated, [CROPPED], [[]])
    assert found.frame.box is box
    assert is_right(list(placed(found, stated[0], [CROPPED], [])), table)


def test_a_long_document_whose_page_contradicts_it_is_quarantined() -> None:
    """Only some pages are looked at to find the frame, but every page is checked when it is labelled."""
    geometries = [CROPPED, CROPPED]
    of_media, words, _ = document(geometries, Writer(PageBox.MEDIA))
    of_crop, _, _ = document(geometries, Writer(PageBox.CROP))
    found = find(of_media, geometries, words)
    with pytest.raises(DocumentError, match="page 1 count from cannot be told"):
        list(placed(found, of_crop[1], geometries, words[1]))


@pytest.mark.parametrize(
    ("dpi", "stated"), [(72.0, "points"), (72.0 / 72, "points"), (120.0, "120dpi"), (120.0 / 72, "120dpi")]
)
def test_a_stated_resolution_counts_points_or_the_units_of_the_page(dpi: float, stated: str) -> None:
    pages, words, table = document([INCHES], Writer(dpi=dpi, whole_page=False))
    for pages_found in (pages, [page.model_copy(update={"bbox": None}) for page in pages]):
        found = find(pages_found, [INCHES], words, coordinates=Coordinates.parse(stated))
        assert is_right(list(placed(found, pages_found[0], [INCHES], words[0])), table)


def test_whole_pixels_of_an_inch_are_too_coarse_for_labels() -> None:
    box = {"left": 2, "top": 3, "width": 10, "height": 4}
    page = {"page_num": 0, "bbox": {"left": 0, "top": 0, "width": 15, "height": 19}}
    found = Page.model_validate(page | {"blocks": [{"type": "table", "bbox": box}]})
    with pytest.raises(DocumentError, match="MediaBox 612 x 792 pt with its UserUnit"):
        list(placed(find([found], [INCHES], [[]]), found, [INCHES], []))


def test_a_crop_box_that_moves_no_box_by_a_pixel_leaves_nothing_to_decide() -> None:
    nearly = geometry(A4, Box(0, 0, 594.8, 841.7))
    pages, _, _ = document([nearly], Writer())
    assert find(pages, [nearly], [[]]).rivals == ()


def test_ink_tells_the_frame_of_a_page_without_words() -> None:
    pages, words, _ = document([CROPPED], Writer(PageBox.CROP))
    inked = Words(words[0])

    def is_whole(cell: Box) -> bool | None:
        touching = inked.touching(cell)
        inside = [word for word in touching if word.box.intersection(cell) == word.box]
        return len(inside) == len(touching) if touching else None

    search = FrameSearch(possible_frames([CROPPED], [0], None, AUTO), [CROPPED], dpi=DPI)
    search.see(pages[0])
    found = search.choose([(pages[0], Content(Words([]), is_whole))])
    assert found.frame.box is PageBox.CROP
