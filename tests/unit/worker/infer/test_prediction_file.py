"""The JSON of a document's predictions: written page by page, told from one that people have changed."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from training.badgerdoc.document import Page
from training.badgerdoc.reader import page_texts
from training.infer.prediction_file import Found, Origin, PredictionFile, recognise

ORIGIN = Origin(pdf_sha256="p", model_sha256="m", config_sha256="c", dpi=120, score=0.3)
PAGES: list[dict[str, Any]] = [
    {"page_num": number, "bbox": {"left": 0, "top": 0, "height": 9, "width": 5}, "blocks": []} for number in range(3)
]


def write(path: Path, origin: Origin = ORIGIN, pages: list[dict[str, Any]] = PAGES) -> bytes:
    with PredictionFile(path, "a.pdf", origin, model_uri="s3://b/m.pth") as file:
        for page in pages:
            file.add(Page.model_validate(page))
    return path.read_bytes()


def test_the_file_is_badgerdoc_json_with_what_it_was_predicted_from(tmp_path: Path) -> None:
    data = write(tmp_path / "a.json")
    content = json.loads(data)
    assert content["doc_name"] == "a.pdf"
    assert content["pages"] == PAGES
    assert {name: content["prediction"][name] for name in ("model", "modelSha256", "pdfSha256", "dpi", "score")} == {
        "model": "s3://b/m.pth",
        "modelSha256": "m",
        "pdfSha256": "p",
        "dpi": 120,
        "score": 0.3,
    }
    assert [text.read().page_num for text in page_texts(data)] == [0, 1, 2]


def test_the_same_prediction_has_the_same_bytes_and_is_recognised(tmp_path: Path) -> None:
    data = write(tmp_path / "a.json")
    assert write(tmp_path / "b.json") == data
    assert recognise(data, ORIGIN) is Found.SAME


@pytest.mark.parametrize(
    "change",
    [{"pdf_sha256": "q"}, {"model_sha256": "n"}, {"config_sha256": "d"}, {"dpi": 200}, {"score": 0.5}, {"version": 99}],
    ids=lambda change: next(iter(change)),
)
def test_a_prediction_from_something_else_is_another(tmp_path: Path, change: dict[str, Any]) -> None:
    assert recognise(write(tmp_path / "a.json"), dataclasses.replace(ORIGIN, **change)) is Found.OTHER


@pytest.mark.parametrize(
    "changed",
    [
        lambda data: data.replace(b'"width": 5', b'"width": 6', 1),
        lambda data: json.dumps(json.loads(data), indent=2).encode(),
        lambda data: json.dumps({"pages": json.loads(data)["pages"]}).encode(),
        lambda data: data[:-30],
        lambda _: b"",
        lambda _: b"no JSON",
        lambda data: data.replace(b'"prediction": {', b'"prediction": [{'),
    ],
    ids=["a box", "written anew", "without its origin", "cut off", "empty", "no JSON", "another type"],
)
def test_a_file_that_is_not_as_it_was_written_is_peoples_work(tmp_path: Path, changed: Any) -> None:
    assert recognise(changed(write(tmp_path / "a.json")), ORIGIN) is Found.CHANGED


def test_a_file_that_was_not_finished_is_not_taken_for_one(tmp_path: Path) -> None:
    def die_on_the_way() -> None:
        with PredictionFile(tmp_path / "a.json", "a.pdf", ORIGIN, model_uri="m") as file:
            file.add(Page.model_validate(PAGES[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die_on_the_way()
    assert recognise((tmp_path / "a.json").read_bytes(), ORIGIN) is Found.CHANGED
