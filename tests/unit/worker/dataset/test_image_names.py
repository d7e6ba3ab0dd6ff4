"""Names of images as tools write them."""

import unicodedata

import pytest

from training.dataset.image_names import ImageNames

NAMES = ["Prüfbericht_0.jpg", "m²_0.jpg", "m2_0.jpg", "ﬁle_0.jpg"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("m2_0.jpg", "m2_0.jpg"),
        ("m²_0.jpg", "m²_0.jpg"),
        ("file_0.jpg", "ﬁle_0.jpg"),
        ("C:\\pages\\" + unicodedata.normalize("NFD", "Prüfbericht_0.jpg"), "Prüfbericht_0.jpg"),
        ("Prufbericht_0.jpg", None),
        ("", None),
    ],
)
def test_a_name_means_the_image_that_it_equals_in_the_closest_form(written: str, name: str | None) -> None:
    assert ImageNames(NAMES).find(written) == name


def test_a_name_that_may_be_that_of_two_images_is_not_guessed() -> None:
    assert ImageNames(["m²_0.jpg", "m₂_0.jpg"]).find("m2_0.jpg") is None
