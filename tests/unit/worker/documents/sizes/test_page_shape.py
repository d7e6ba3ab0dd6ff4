"""Pages that are refused by the size of their image alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.documents.quarantine import DocumentError
from training.documents.sizes.page_shape import MAX_JPEG_SIDE, MAX_PIXELS, MAX_RATIO, MIN_SIDE, check_page_shape


def check(width: int, height: int, image_format: str = "jpeg") -> None:
    check_page_shape(7, width, height, dpi=120, image_format=image_format)


@pytest.mark.parametrize(
    ("size", "image_format"),
    [
        ((992, 1404), "jpeg"),
        ((100, 1500), "jpeg"),  # too narrow for the networks of both configs until it is padded
        ((23_334, 150), "jpeg"),
        ((32, 32), "jpeg"),
        ((8000, 10_000), "jpeg"),
        ((1000, 65_500), "jpeg"),
        ((377, 66_667), "png"),
    ],
)
def test_what_can_be_drawn_and_learnt_from_is_taken(size: tuple[int, int], image_format: str) -> None:
    check(*size, image_format)
    check(*reversed(size), image_format)


@pytest.mark.parametrize(
    ("size", "image_format", "reason", "words"),
    [
        (
            (8001, 10_000),
            "jpeg",
            "too_large",
            "would be 8001 x 10000 pixels at 120 dpi, more than 80,000,000; lower --dpi",
        ),
        ((377, 66_667), "jpeg", "too_large", "a JPEG ends at 65,500 a side; lower --dpi"),
        ((400, 131_001), "png", "too_large", "more than 131,000 a side; lower --dpi or split the page"),
        ((31, 1000), "jpeg", "shape", "too few for a table: at least 32 a side are needed; raise --dpi"),
        ((5, 7), "png", "shape", "Page 7 would be 5 x 7 pixels"),
        ((100, 20_001), "jpeg", "shape", "more than 200 : 1, which no network finds a table in; split the page"),
        ((0, 0), "jpeg", "shape", "would be 0 x 0 pixels"),
    ],
)
def test_what_cannot_is_refused_by_the_page_and_what_to_do(
    size: tuple[int, int], image_format: str, reason: str, words: str
) -> None:
    for width, height in (size, size[::-1]):
        with pytest.raises(DocumentError) as caught:
            check(width, height, image_format)
        assert caught.value.quarantine_reason == reason
    with pytest.raises(DocumentError) as caught:
        check(*size, image_format)
    assert words in str(caught.value)


@given(st.integers(1, 200_000), st.integers(1, 200_000), st.sampled_from(["jpeg", "png"]))
def test_what_is_taken_can_be_stored_and_leaves_a_pixel_when_it_is_shrunk(width: int, height: int, kind: str) -> None:
    try:
        check(width, height, kind)
    except DocumentError:
        return
    assert width * height <= MAX_PIXELS
    assert min(width, height) >= MIN_SIDE
    assert max(width, height) // 2 <= MAX_JPEG_SIDE
    assert kind == "png" or max(width, height) <= MAX_JPEG_SIDE
    # As mmcv's rescale_size rounds, for a config that shrinks pages to a hundred pixels.
    assert int(min(width, height) * 100 / max(width, height) + 0.5) >= 1 or max(width, height) <= 100
    assert max(width, height) <= MAX_RATIO * min(width, height)
