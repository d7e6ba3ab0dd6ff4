"""Documents from the names of page images."""

import pytest

from training.annotations.importers.formats.imported_page import ImportedPage
from training.annotations.importers.grouping import by_image_names, by_pdfs, image_stem
from training.documents.names import file_stem


def page(image: str) -> ImportedPage:
    return ImportedPage(image, None, lambda _: ())


def grouped(*images: str, group: bool = True) -> dict[str, dict[int, str]]:
    documents = by_image_names([page(image) for image in images], group=group)
    return {item.name: {number: page.image for number, page in item.pages.items()} for item in documents}


def of_pdfs(*images: str, pdfs: tuple[str, ...], first_page: int = 0) -> tuple[dict[str, dict[int, str]], list[str]]:
    documents, unplaced = by_pdfs([page(image) for image in images], pdfs, first_page=first_page)
    placed = {item.name: {number: page.image for number, page in item.pages.items()} for item in documents}
    return placed, [item.image for item in unplaced]


@pytest.mark.parametrize(
    ("image", "stem"),
    [
        ("a.jpg", "a"),
        ("train/images/a_0.tar.png", "a_0.tar"),
        ("C:\\pages\\a.jpg", "a"),
        ("u\u0308.jpg", "\u00fc"),
        ("scan", "scan"),
    ],
)
def test_a_stem_has_neither_folders_nor_extension(image: str, stem: str) -> None:
    assert image_stem(image) == stem


def test_numbered_images_are_the_pages_of_one_document_in_the_order_of_their_numbers() -> None:
    assert grouped("a_10.jpg", "a_2.jpg", "b.png", "c-1.jpg", "c-02.jpg") == {
        "a": {0: "a_2.jpg", 1: "a_10.jpg"},
        "b": {0: "b.png"},
        "c": {0: "c-1.jpg", 1: "c-02.jpg"},
    }


def test_ungrouped_images_are_documents_of_their_own() -> None:
    assert grouped("a_1.jpg", "a_2.jpg", group=False) == {"a_1": {0: "a_1.jpg"}, "a_2": {0: "a_2.jpg"}}


def test_images_of_pdfs_are_their_pages() -> None:
    placed, unplaced = of_pdfs("x/a_0.jpg", "a_7.jpg", "b.jpg", "c_1.jpg", "d_1.jpg", pdfs=("a", "b", "c_1"))
    assert placed == {"a": {0: "x/a_0.jpg", 7: "a_7.jpg"}, "b": {0: "b.jpg"}, "c_1": {0: "c_1.jpg"}}
    assert unplaced == ["d_1.jpg"]


def test_pages_may_be_counted_from_one() -> None:
    assert of_pdfs("a-01.jpg", "a-00.jpg", pdfs=("a",), first_page=1) == ({"a": {0: "a-01.jpg"}}, ["a-00.jpg"])


def test_two_images_of_one_page_are_not_both_placed() -> None:
    assert of_pdfs("a_1.jpg", "a-1.jpg", pdfs=("a",)) == ({"a": {1: "a_1.jpg"}}, ["a-1.jpg"])


def test_a_name_that_preprocess_shortened_is_found_again() -> None:
    name = "\u6771" * 100
    assert of_pdfs(f"{file_stem(name)}_3.jpg", pdfs=(name,)) == ({name: {3: f"{file_stem(name)}_3.jpg"}}, [])


def test_what_a_tool_adds_to_a_name_does_not_matter() -> None:
    images = ("/data/upload/1/41bda93a-a_3.jpg", "https://h/x/a%20b_1.jpg?X-Amz-Signature=0")
    assert of_pdfs(*images, pdfs=("a", "a b")) == ({"a": {3: images[0]}, "a b": {1: images[1]}}, [])
