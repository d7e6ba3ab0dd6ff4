"""The options that say how annotations are to be read, the same in every command that reads them."""

from training.badgerdoc.reader import FORMATS
from training.documents.sizes.page_geometry import PageBox
from training.labels.frames.frame import FRAME_CHOICES
from training.options import OptionParser


def add_annotation_options(parser: OptionParser) -> None:
    """Adds --format, --coordinates and --frame; the latter two are for `Coordinates.parse` and `page_box`."""
    parser.add_argument("--format", default="auto", choices=FORMATS, help="format of the annotations (auto)")
    parser.add_argument(
        "--coordinates",
        default="auto",
        help="unit of the annotations' boxes: auto, points, or a resolution such as 400dpi (auto)",
    )
    parser.add_argument(
        "--frame",
        default="auto",
        choices=FRAME_CHOICES,
        help="box of the pages that the annotations' boxes count from: the MediaBox or the CropBox (auto)",
    )


def page_box(frame: str) -> PageBox | None:
    """The box that --frame states, or None to find it."""
    return None if frame == "auto" else PageBox(frame)
