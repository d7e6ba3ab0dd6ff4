"""Names of images as tools write them."""

import base64
import unicodedata
from typing import Literal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.image_names import ImageNames
from training.errors import DataError

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


def test_a_name_that_may_be_that_of_two_images_is_refused_with_both() -> None:
    with pytest.raises(DataError, match=r"The image m2_0\.jpg may be m²_0\.jpg or m₂_0\.jpg; write which one it is"):
        ImageNames(["m²_0.jpg", "m₂_0.jpg"]).find("m2_0.jpg")


ANNUAL = "Geschäft 2020 (final)_0.jpg"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("41bda93a-eu-006_0.jpg", "eu-006_0.jpg"),
        ("/data/upload/3/41bda93a-eu-006_0.jpg", "eu-006_0.jpg"),
        ("images/41bda93a__eu-006_0.jpg", "eu-006_0.jpg"),
        ("images\\41bda93a__eu-006_0.jpg", "eu-006_0.jpg"),
        ("/data/local-files/?d=train/images/eu-006_0.jpg", "eu-006_0.jpg"),
        ("/data/local-files/?d=eu-006_0.jpg", "eu-006_0.jpg"),
        ("http://studio:8080/data/local-files/?d=train%2Fimages%2Feu-006_0.jpg", "eu-006_0.jpg"),
        ("https://s3.example.com/b/t/eu-006_0.jpg?X-Amz-Expires=3600&X-Amz-Signature=a/b", "eu-006_0.jpg"),
        ("s3://b/ttv/train/images/eu-006_0.jpg", "eu-006_0.jpg"),
        ("/tasks/1/presign/?fileuri=" + base64.urlsafe_b64encode(b"s3://b/eu-006_0.jpg").decode(), "eu-006_0.jpg"),
        ("/tasks/1/presign/?fileuri=!", None),
        ("eu-006_0_jpg.rf.5f3c8d0e9a1b.jpg", "eu-006_0.jpg"),
        ("https://h/" + quote(ANNUAL), ANNUAL),
        ("https://h/" + quote(unicodedata.normalize("NFD", ANNUAL)) + "?a=1", ANNUAL),
        ("/data/local-files/?d=train/images/" + quote(ANNUAL), ANNUAL),
        ("/data/upload/3/41bda93a-Geschäft_2020_final_0.jpg", ANNUAL),
        ("100%25_0.jpg", "100%_0.jpg"),
        ("100%_0.jpg", "100%_0.jpg"),
        ("https://h/what%3F_0.jpg", "what?_0.jpg"),
        ("train/images/what?_0.jpg", "what?_0.jpg"),
        ("deadbeef-plan_0.jpg", "deadbeef-plan_0.jpg"),
        ("http://[", None),
        ("images/eu-007_0.jpg", None),
        ("eu-006_0.png", None),
    ],
)
def test_a_name_is_found_whatever_a_tool_has_put_around_it(written: str, name: str | None) -> None:
    names = ["eu-006_0.jpg", "006_0.jpg", ANNUAL, "100%_0.jpg", "what?_0.jpg", "deadbeef-plan_0.jpg", "plan_0.jpg"]
    assert ImageNames(names).find(written) == name


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=9), min_size=1, unique=True),
    st.sampled_from(["{}", "images/{}", "C:\\pages\\{}", "/data/local-files/?d=train/images/{}"]),
)
def test_a_name_that_is_written_as_it_is_means_itself(stems: list[str], around: str) -> None:
    names = [f"{stem.replace('/', '')}_0.jpg" for stem in stems]
    for name in names:
        if "\\" not in name and not set("?#&;+%") & set(name):
            assert ImageNames(names).find(around.format(name)) == name


@given(st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]), st.sampled_from(["41bda93a-{}", "https://h/{}?d=1"]))
def test_neither_form_nor_prefix_hides_a_name(form: Literal["NFC", "NFD", "NFKC", "NFKD"], around: str) -> None:
    for name in ("Prüfbericht ﬁnal_0.jpg", "año²_1.jpg", "가나_2.jpg"):
        found = ImageNames(["Prüfbericht ﬁnal_0.jpg", "año²_1.jpg", "가나_2.jpg"]).find(
            around.format(unicodedata.normalize(form, name))
        )
        assert found == name
