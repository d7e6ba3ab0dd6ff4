"""The table of a page's images, and JPEGs that end too soon."""

import io
import random

import pytest
from PIL import Image

from training.documents.undrawn.embedded_images import EmbeddedImage, is_cut, largest, parse_list

LISTING = """\
page   num  type   width height color comp bpc  enc interp  object ID x-ppi y-ppi size ratio
--------------------------------------------------------------------------------------------
   1     0 image    1240  1754  gray    1   8  jpx    no         7  0   150   150  412B 0.0%
   1     1 smask     620   877  gray    1   8  image  no   [inline]      150   150  1.2K  12%
   2     2 image     300   300  rgb     3   8  jpeg   no         9  0   100   100 55.3K 6.1%
   2     3 image       0     0  -       1   8  image  no        10  0     0     0     -    -
"""


def jpeg(**options: bool) -> bytes:
    numbers = random.Random(1)
    image = Image.frombytes("L", (400, 600), numbers.randbytes(400 * 600))
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def test_images_are_as_large_as_they_are_drawn() -> None:
    images = parse_list(LISTING)
    assert images == [
        EmbeddedImage(0, 0, "jpx", 595.2, pytest.approx(841.92)),
        EmbeddedImage(0, 1, "image", pytest.approx(297.6), pytest.approx(420.96)),
        EmbeddedImage(1, 2, "jpeg", 216.0, 216.0),
    ]
    assert largest(images, 0, None) == images[0]
    assert largest(images, 0, "image") == images[1]
    assert largest(images, 1, "jpx") is None
    assert parse_list("nothing\nof the kind\nat all\n") == []
    assert parse_list("") == []


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.2, 0.4, 0.9, 0.999])
def test_a_jpeg_that_ends_too_soon_is_cut(options: dict[str, bool], part: float) -> None:
    data = jpeg(**options)
    assert is_cut(data[: int(len(data) * part)])


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_whole_jpeg_is_not_cut_whatever_follows_it(options: dict[str, bool]) -> None:
    data = jpeg(**options)
    assert not is_cut(data)
    assert not is_cut(data + b"\r\n")
    assert not is_cut(data + bytes(1000))


def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole() -> None:
    assert not is_cut(jpeg().removesuffix(b"\xff\xd9"))


def test_the_end_of_a_small_picture_inside_is_not_the_end() -> None:
    data, small = jpeg(), jpeg()
    inside = b"\xff\xe1" + (len(small) % 60_000 + 2).to_bytes(2, "big") + small[: len(small) % 60_000]
    assert is_cut(data[:2] + inside[:2] + (4).to_bytes(2, "big") + b"\xff\xd9" + data[2 : len(data) // 2])
