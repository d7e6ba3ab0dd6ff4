"""Which pages can be neither drawn nor learnt from, by the size of their image in pixels. Pure.

Nothing here depends on a config. What a config's network needs beyond it, such as a longest ratio of 14 : 1, it gets by
padding (`training.model.smallest_page`).
"""

from training.documents.quarantine import DocumentError, Reason

MAX_PIXELS = 80_000_000  # A0 at 120 dpi has 22 million; a page of 14,400 points would take gigabytes
MAX_JPEG_SIDE = 65_500  # JPEG_MAX_DIMENSION of libjpeg
MAX_SIDE = 2 * MAX_JPEG_SIDE  # drawings for people are JPEGs of half the page's size
MIN_SIDE = 32  # mmdetection's configs leave smaller images out of a training (`filter_cfg.min_size`)
# A till receipt of five metres has 90. A config that shrinks pages to 100 pixels leaves one pixel of the short side.
MAX_RATIO = 200


def check_page_shape(number: int, width: int, height: int, *, dpi: int, image_format: str) -> None:
    """Raises DocumentError (too_large, shape) for a page, counted from 0, by the size in pixels that it would have."""
    size = f"Page {number} would be {width} x {height} pixels at {dpi} dpi"
    long, short = max(width, height), min(width, height)
    if width * height > MAX_PIXELS:
        raise DocumentError(Reason.TOO_LARGE, f"{size}, more than {MAX_PIXELS:,}; lower --dpi or scale the page down.")
    if long > MAX_SIDE:
        raise DocumentError(Reason.TOO_LARGE, f"{size}, more than {MAX_SIDE:,} a side; lower --dpi or split the page.")
    if long > MAX_JPEG_SIDE and image_format == "jpeg":
        raise DocumentError(
            Reason.TOO_LARGE,
            f"{size}, and a JPEG ends at {MAX_JPEG_SIDE:,} a side; lower --dpi (preprocess can also take "
            "--image_format png).",
        )
    if short < MIN_SIDE:
        raise DocumentError(
            Reason.SHAPE,
            f"{size}, too few for a table: at least {MIN_SIDE} a side are needed; raise --dpi, or take the page out.",
        )
    if long > MAX_RATIO * short:
        raise DocumentError(
            Reason.SHAPE,
            f"{size}, more than {MAX_RATIO} : 1, which no network finds a table in; split the page, or take it out.",
        )
