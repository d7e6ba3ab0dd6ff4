"""Finds the frame of a document's boxes by its pages. Pure.

A frame is a property of the tool that wrote the JSON, so a document has one frame. It must explain the own box of every
page with tables. Where several frames do and give different labels, the content of the cells must single one out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from training.badgerdoc.document import Page
from training.documents.quarantine import DocumentError, Reason
from training.documents.sizes.page_geometry import POINTS_PER_INCH, PageBox, PageGeometry
from training.geometry import Box, union
from training.labels.frames.evidence import Content, Evidence, choose, is_contradicted
from training.labels.frames.frame import (
    AUTO,
    Coordinates,
    Frame,
    Placement,
    Turn,
    describe,
    is_outside,
    place,
    too_coarse,
    unexplained,
)

_Page = TypeVar("_Page")
SAMPLE_PAGES = 20  # as many as one call of a poppler program takes; every page is checked when it is labelled
SAME_PX = 1.0  # frames that move no box by more give the same labels


class FrameSearch:
    """The frames that explain all pages seen so far."""

    def __init__(
        self,
        frames: Sequence[Frame],
        geometries: Sequence[PageGeometry],
        *,
        dpi: int,
        coordinates: Coordinates = AUTO,
    ) -> None:
        self._tried = tuple(frames)
        self.frames = list(frames)
        self._geometries = geometries
        self._dpi = dpi
        self._coordinates = coordinates
        self._first_seen: int | None = None  # for messages
        self._differing: set[tuple[Frame, Frame]] = set()
        self._inexact: set[Frame] = set()

    def see(self, page: Page) -> None:
        """Drops the frames that do not explain this page. Raises DocumentError (coordinates) if none is left."""
        if not page.boxes:
            return
        if self._first_seen is None:
            self._first_seen = page.page_num
        stated = page.frame
        if stated is not None:
            # None is left if the user states another box, which comes first.
            same = [frame for frame in self.frames if frame.is_usual and frame.box is stated]
            self.frames = same or self.frames
        around = union(box.box for box in page.boxes)
        placed = {frame: placement for frame in self.frames if (placement := self._placement(page, frame))}
        if not placed:
            raise unexplained(page, self._tried, self._geometries, dpi=self._dpi, coordinates=self._coordinates)
        inside = [frame for frame, placement in placed.items() if not self._is_outside(page, frame, placement(around))]
        # If boxes lie outside the page in every frame, labelling says which one does.
        self.frames = inside or list(placed)
        self._inexact |= {frame for frame in self.frames if not placed[frame].is_exact}
        for pair in combinations(self.frames, 2):
            if pair not in self._differing and _is_moved(around, *(placed[frame] for frame in pair)):
                self._differing.add(pair)

    def choose(self, contents: Iterable[tuple[Page, Content]]) -> "DocumentFrame":
        """The document's frame. `contents` are pages with what is in the image of their MediaBox, read only if needed.

        Raises DocumentError (coordinates) if the content does not single one frame out.
        """
        distinct = self._distinct
        exact = [frame for frame in distinct if frame not in self._inexact]
        # A size that rounding does not explain may be that of a frame that is not known here.
        is_likely = bool(exact) or len(self._tried) == 1
        if len(distinct) == 1 and distinct[0].is_usual and is_likely:
            return self._document_frame(distinct[0])
        evidence = dict.fromkeys(distinct, Evidence())
        for page, content in contents:
            for frame, before in evidence.items():
                placement = self._placement(page, frame)
                if placement is not None:
                    evidence[frame] = before.plus(content.evidence(page, placement))
        chosen = choose(evidence, exact)
        if chosen is None:
            raise undecided(self._first_seen or 0, distinct if len(distinct) > 1 else self._tried, self._geometries)
        return self._document_frame(chosen)

    def _document_frame(self, chosen: Frame) -> "DocumentFrame":
        rivals = tuple(frame for frame in self._distinct if frame != chosen)
        return DocumentFrame(chosen, rivals, self._tried, self._geometries, self._dpi, self._coordinates)

    def _placement(self, page: Page, frame: Frame) -> Placement | None:
        return place(page, self._geometries, frame, dpi=self._dpi, coordinates=self._coordinates, image=PageBox.MEDIA)

    @property
    def _distinct(self) -> list[Frame]:
        """One frame of each group whose frames give the same labels on all pages."""
        found: list[Frame] = []
        for frame in self.frames:
            if all((other, frame) in self._differing for other in found):
                found.append(frame)
        return found

    def _is_outside(self, page: Page, frame: Frame, around: Box) -> bool:
        box = self._geometries[page.page_num].box(frame.box)
        pixels = self._dpi / POINTS_PER_INCH
        within = around.shifted(-box.left * pixels, -box.top * pixels)
        return is_outside(within, box.width * pixels, box.height * pixels)


@dataclass(frozen=True)
class DocumentFrame:
    """The frame of a document's boxes, of those that were `tried`.

    `rivals` are other frames that explain its pages, but whose labels differ.
    """

    frame: Frame
    rivals: tuple[Frame, ...]
    tried: tuple[Frame, ...]
    geometries: Sequence[PageGeometry]
    dpi: int
    coordinates: Coordinates

    def placement(self, page: Page, content: Content) -> Placement:
        """Brings the boxes of `page` to its image, whose content is given.

        Raises DocumentError (coordinates) if the frame does not explain the page, or its content contradicts the frame.
        """
        found = self._placed(page, self.frame)
        if found is None:
            raise unexplained(page, self.tried, self.geometries, dpi=self.dpi, coordinates=self.coordinates)
        if found.is_coarse:
            raise too_coarse(page, self.frame, self.geometries)
        if self.rivals:
            frames = (self.frame, *self.rivals)
            placed = {frame: placement for frame in frames if (placement := self._placed(page, frame))}
            evidence = {frame: content.evidence(page, placement) for frame, placement in placed.items()}
            if is_contradicted(self.frame, evidence):
                raise undecided(page.page_num, frames, self.geometries)
        return found

    def _placed(self, page: Page, frame: Frame) -> Placement | None:
        return place(page, self.geometries, frame, dpi=self.dpi, coordinates=self.coordinates, image=self.frame.box)


def sample(pages: Sequence[_Page]) -> Sequence[_Page]:
    """Some of the pages with tables, spread evenly: their content is enough to find a document's frame."""
    return pages[:: 1 + len(pages) // SAMPLE_PAGES]


def undecided(page: int, frames: Sequence[Frame], geometries: Sequence[PageGeometry]) -> DocumentError:
    """The error for a document whose frame the content cannot tell; `page` is the number of one of its pages."""
    if len({frame.box for frame in frames}) > 1:
        advice = "state it with --frame media or --frame crop"
    elif any(frame.turn is not Turn.AS_DRAWN for frame in frames):
        advice = "turn the page in the PDF itself, and annotate it as it is shown then"
    else:
        advice = "give each page its own size in the JSON"
    return DocumentError(
        Reason.COORDINATES,
        f"What the boxes of page {page} count from cannot be told: they were read "
        f"{describe(frames, page, geometries)}, but what is in the cells does not confirm one of these alone; "
        f"{advice}.",
    )


def _is_moved(around: Box, one: Placement, other: Placement) -> bool:
    # How far two placements are apart is greatest at a corner of what is placed, since both are affine.
    for x in (around.left, around.right):
        for y in (around.top, around.bottom):
            corner = Box(x, y, x, y)
            if max(abs(a - b) for a, b in zip(one(corner), other(corner), strict=True)) > SAME_PX:
                return True
    return False
