"""Predictions from PDFs to JSON and back into preprocess, by a detector that knows the truth."""

import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas

from hack.documents.corpus import draw_corpus
from hack.documents.faults import PASSWORD, draw_faults
from hack.s3.server import S3Server
from tests.support.infer.predicting import Labels, TruthfulDetector, files, prepare, read_json
from tests.support.preprocess.raw_pdf import one_page, raw_stream
from tests.support.preprocess.scans import dct, jpx, scan_pdf, typed_table
from tests.support.train.place import Place
from training.documents.render import PAGES_PER_CHUNK
from training.infer import command as infer
from training.infer.predictor import PageDetector
from training.labels.categories import CELL, HEADER, TABLE
from training.model.detections import Detection
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

DOCUMENTS = 6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    draw_corpus(folder, documents=DOCUMENTS, seed=22, pages=2)
    return folder


@pytest.fixture(scope="module")
def labels(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Labels:
    return prepare(corpus, tmp_path_factory.mktemp("prepared"))


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("pdfs/*.pdf"))


@pytest.fixture
def detector(corpus: Path, labels: Labels) -> TruthfulDetector:
    return TruthfulDetector(names(corpus), labels)


def predict(source: Path | str, target: Path | str, model: Path | str, detector: TruthfulDetector, *more: str) -> int:
    return infer.main([str(source), str(target), "--model", str(model), *more], load_detector=detector.load)


def never(*_: object) -> PageDetector:
    raise AssertionError("the network is not needed")


def test_what_is_predicted_goes_through_preprocess_as_the_annotations_did(
    straight: Place, corpus: Path, labels: Labels, detector: TruthfulDetector, tmp_path: Path
) -> None:
    assert predict(corpus, tmp_path / "out", straight.model, detector) == 0
    written = files(tmp_path / "out")
    assert set(written) == {
        *(f"json/{name}.json" for name in names(corpus)),
        *(f"pdfs/{name}.pdf" for name in names(corpus)),
        *(f"draw/{name}/{page}.jpg" for name in names(corpus) for page in range(2)),
    }
    assert all(written[f"pdfs/{name}.pdf"] == (corpus / "pdfs" / f"{name}.pdf").read_bytes() for name in names(corpus))
    again = prepare(tmp_path / "out", tmp_path / "prepared")
    assert again.keys() == labels.keys()
    for page, expected in labels.items():
        for category in (TABLE, CELL):
            assert {box for box in again[page] if box.category == category} == {
                box for box in expected if box.category == category
            }, page
        # Around the words of its cells, no longer around the cells.
        assert any(box.category == HEADER for box in again[page]) == any(box.category == HEADER for box in expected)


def test_texts_and_places_are_those_of_the_annotations(
    straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path
) -> None:
    assert predict(corpus, tmp_path / "out", straight.model, detector) == 0
    texts = places = found = 0
    for name in names(corpus):
        annotated = json.loads((corpus / "json" / f"{name}.json").read_bytes())
        predicted = read_json(tmp_path / "out", name)
        assert predicted["doc_name"] == f"{name}.pdf"
        for theirs, ours in zip(annotated["pages"], predicted["pages"], strict=True):
            assert (ours["page_num"], ours["bbox"]) == (theirs["page_num"], theirs["bbox"])
            tables = [block for block in theirs["blocks"] if block["type"] == "table"]
            assert [table["bbox"] for table in ours["blocks"]] == [table["bbox"] for table in tables]
            for their_table, our_table in zip(tables, ours["blocks"], strict=True):
                expected = {
                    (c["row"], c["column"]): c for c in their_table["header"] + their_table["cells"] if c["text"]
                }
                cells = our_table["header"] + our_table["cells"]
                assert sorted(cell["text"] for cell in cells) == sorted(cell["text"] for cell in expected.values())
                found += len(cells)
                texts += sum(expected.get((c["row"], c["column"]), {"text": ""})["text"] == c["text"] for c in cells)
                places += sum(
                    (expected.get((c["row"], c["column"])) or {}).get("colspan") == c["colspan"] for c in cells
                )
    # Empty rows and columns, and headings above an empty one, cannot be told from the text alone.
    assert texts > 0.95 * found
    assert places > 0.9 * found


def test_from_s3_to_s3_gives_the_pages_that_folders_give(
    straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path, s3_environment: S3Server
) -> None:
    bucket = open_storage(f"s3://{s3_environment.new_bucket()}")
    for folder, prefix in ((corpus, "source"), (straight.model.parent, "models")):
        for path in folder.rglob("[!.]*"):
            if path.is_file():
                bucket.upload_file(path, f"{prefix}/{path.relative_to(folder).as_posix()}")
    assert predict(corpus, tmp_path / "out", straight.model, detector) == 0
    options = bucket.uri("source"), bucket.uri("predicted"), bucket.uri("models/model.pth")
    assert predict(*options, detector) == 0
    stored = {found.key.removeprefix("predicted/"): found.key for found in bucket.list_objects("predicted/")}
    local = files(tmp_path / "out")
    assert stored.keys() == local.keys()
    for key, content in local.items():
        if key.startswith("json/"):
            assert json.loads(bucket.read_bytes(stored[key]))["pages"] == json.loads(content)["pages"]
        else:
            assert bucket.read_bytes(stored[key]) == content
    assert infer.main([*options[:2], "--model", options[2]], load_detector=never) == 0


def test_documents_that_fail_are_told_of_and_the_others_go_on(
    straight: Place, corpus: Path, tmp_path: Path, labels: Labels, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    draw_faults(source)
    kept = ("encrypted.pdf", "corrupt-truncated.pdf", "corrupt-empty.pdf", "too_large-page.pdf")
    for path in (source / "pdfs").iterdir():
        if path.name not in kept:
            path.unlink()
    shutil.copy(corpus / "pdfs" / "document-0001.pdf", source / "pdfs")
    shutil.copy(corpus / "pdfs" / "document-0002.pdf", source / "pdfs" / "two.pdf")
    shutil.copy(corpus / "pdfs" / "document-0002.pdf", source / "pdfs" / "two.PDF")
    detector = TruthfulDetector([name for name in names(source) if name != "two"], labels)
    assert predict(source, tmp_path / "out", straight.model, detector) == 65
    output = capsys.readouterr()
    assert output.out.endswith("6 documents, 1 predicted, 5 failed\n")
    assert (
        "error: DataError: 5 of 6 documents could not be predicted: "
        "two, corrupt-empty, corrupt-truncated, encrypted, too_large-page; the log says why of each."
    ) in output.err
    assert set(files(tmp_path / "out")) == {
        "json/document-0001.json",
        "pdfs/document-0001.pdf",
        "draw/document-0001/0.jpg",
        "draw/document-0001/1.jpg",
    }


def test_a_page_that_cannot_be_drawn_is_a_failure_and_not_an_empty_page(
    straight: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "damaged.pdf").write_bytes(scan_pdf(jpx().nonsense(), words=False))
    image, text = dct().nonsense(), typed_table() + b"q 60 0 0 60 20 20 cm /I Do Q\n"
    (source / "small.pdf").write_bytes(one_page(text, raw_stream(image.data, image.entries)))
    detector = TruthfulDetector(["damaged", "small"], {("small", 0): []})
    assert predict(source, tmp_path / "out", straight.model, detector) == 65
    assert "damaged: corrupt: Page 0 is not drawn completely (Did no succeed opening JPX Stream.)" in caplog.text
    assert "small: Page 0 is not drawn completely (Could not find start of jpeg data)" in caplog.text
    assert [path.name for path in (tmp_path / "out/json").iterdir()] == ["small.json"]


def test_an_encrypted_document_is_read_with_its_password_and_refused_without(
    straight: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw_faults(tmp_path / "source")
    pdf = tmp_path / "source" / "pdfs" / "encrypted.pdf"
    (tmp_path / "passwords.yaml").write_text(f"encrypted: {PASSWORD}\n")
    nothing = TruthfulDetector(["encrypted"], {("encrypted", page): [] for page in range(2)})
    assert predict(pdf, tmp_path / "out", straight.model, nothing) == 65
    assert "encrypted: The PDF asks for a password; save it without one, or name it in --passwords." in caplog.text
    options = ("--passwords", str(tmp_path / "passwords.yaml"))
    assert predict(pdf, tmp_path / "out", straight.model, nothing, *options) == 0
    assert [page["blocks"] for page in read_json(tmp_path / "out", "encrypted")["pages"]] == [[], []]


@pytest.fixture
def predicted(straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path) -> Path:
    """A folder with predictions on two documents, which their source is in as well: `source` and `out`."""
    for name in ("document-0001", "document-0002"):
        (tmp_path / "source").mkdir(exist_ok=True)
        shutil.copy(corpus / "pdfs" / f"{name}.pdf", tmp_path / "source")
    assert predict(tmp_path / "source", tmp_path / "out", straight.model, detector) == 0
    return tmp_path


def paths(folder: Path) -> tuple[str, str]:
    return str(folder / "source"), str(folder / "out")


def test_what_was_predicted_is_not_predicted_again_and_needs_no_network(
    predicted: Path, straight: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(predicted / "out")
    assert infer.main([*paths(predicted), "--model", str(straight.model)], load_detector=never) == 0
    assert files(predicted / "out") == before
    assert capsys.readouterr().out.endswith("2 documents, 2 predicted before\n")


def another_pdf(folder: Path) -> Sequence[str]:
    writer = PdfWriter()
    writer.add_page(PdfReader(folder / "source" / "document-0001.pdf").pages[0])
    writer.write(folder / "source" / "document-0001.pdf")
    return ()


def no_copy(folder: Path) -> Sequence[str]:
    (folder / "out" / "pdfs" / "document-0001.pdf").unlink()
    return ()


def no_json(folder: Path) -> Sequence[str]:
    (folder / "out" / "json" / "document-0001.json").unlink()
    return ()


@pytest.mark.parametrize(
    ("change", "chunks"),
    [
        (another_pdf, 1),
        (no_copy, 1),
        (no_json, 1),
        (lambda _: ("--score", "0.5"), 2),
        (lambda _: ("--dpi", "100"), 2),
        (lambda _: ("--force",), 2),
    ],
    ids=["another PDF", "no copy of the PDF", "no JSON", "another score", "another resolution", "force"],
)
def test_what_is_not_there_or_would_be_another_is_predicted(
    predicted: Path,
    straight: Place,
    detector: TruthfulDetector,
    change: Callable[[Path], Sequence[str]],
    chunks: int,
) -> None:
    detector.chunks.clear()
    assert predict(*paths(predicted), straight.model, detector, *change(predicted)) == 0
    assert len(detector.chunks) == chunks
    pages = len(read_json(predicted / "out", "document-0001")["pages"])
    assert sorted(path.name for path in (predicted / "out/draw/document-0001").iterdir()) == [
        f"{page}.jpg" for page in range(pages)
    ]


def test_predictions_that_people_corrected_are_kept_unless_forced(
    predicted: Path, straight: Place, detector: TruthfulDetector, caplog: pytest.LogCaptureFixture
) -> None:
    corrected = predicted / "out" / "json" / "document-0001.json"
    ours = corrected.read_bytes()
    theirs = ours.replace(b'"page_num": 0', b'"page_num": 0, "checked": true')
    corrected.write_bytes(theirs)
    detector.chunks.clear()
    # Another score would predict anew.
    assert predict(*paths(predicted), straight.model, detector, "--score", "0.4") == 0
    assert len(detector.chunks) == 1
    assert corrected.read_bytes() == theirs
    assert f"{corrected} is not as it was predicted and is kept; --force replaces it" in caplog.text
    assert predict(*paths(predicted), straight.model, detector, "--force") == 0
    assert corrected.read_bytes() == ours


def test_a_run_that_was_ended_leaves_what_is_done_and_goes_on_there(
    straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path
) -> None:
    class Ended(TruthfulDetector):
        def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
            if len(self.chunks) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().detect(images)

    assert predict(corpus, tmp_path / "out", straight.model, Ended(detector.names, detector.labels)) == 143
    done = {key: data for key, data in files(tmp_path / "out").items() if key.startswith("json/")}
    assert sorted(done) == ["json/document-0001.json", "json/document-0002.json"]
    assert predict(corpus, tmp_path / "out", straight.model, detector) == 0
    assert len(detector.chunks) == DOCUMENTS - 2
    assert done.items() <= files(tmp_path / "out").items()


def test_the_output_may_be_the_folder_of_the_pdfs_and_nothing_is_copied_then(
    straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path
) -> None:
    shutil.copytree(corpus / "pdfs", tmp_path / "own" / "pdfs")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "own" / "pdfs").iterdir()}
    assert predict(tmp_path / "own", tmp_path / "own", straight.model, detector) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "own" / "pdfs").iterdir()} == before
    assert len(list((tmp_path / "own" / "json").iterdir())) == DOCUMENTS


def test_pdfs_are_not_copied_where_they_are_not_wanted(
    straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path
) -> None:
    assert predict(corpus, tmp_path / "out", straight.model, detector, "--copy_pdfs", "False") == 0
    assert not (tmp_path / "out" / "pdfs").exists()


def test_a_long_document_is_drawn_in_chunks_whose_images_go_when_they_are_done(straight: Place, tmp_path: Path) -> None:
    pages = 2 * PAGES_PER_CHUNK + 5
    canvas = Canvas(str(tmp_path / "long.pdf"), pagesize=(200, 200))
    for number in range(pages):
        canvas.drawString(20, 100, f"page {number}")
        canvas.showPage()
    canvas.save()
    left: list[int] = []

    class Counting(TruthfulDetector):
        def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
            (scratch,) = {path for image in images for path in image.parents if path.name == "000001"}
            left.append(len(list(scratch.glob("run-*"))))
            return super().detect(images)

    detector = Counting(["long"], {("long", page): [] for page in range(pages)})
    assert predict(tmp_path / "long.pdf", tmp_path / "out", straight.model, detector) == 0
    assert detector.chunks == [PAGES_PER_CHUNK, PAGES_PER_CHUNK, 5]
    assert max(left) <= 2
    assert [page["page_num"] for page in read_json(tmp_path / "out", "long")["pages"]] == list(range(pages))


def test_each_document_is_told_of_in_the_log(
    straight: Place, corpus: Path, detector: TruthfulDetector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="training")
    assert predict(corpus, tmp_path / "out", straight.model, detector) == 0
    lines = [record.getMessage() for record in caplog.records if record.name == "training.infer.pipeline"]
    assert len(lines) == DOCUMENTS
    assert lines[0].startswith(f"1/{DOCUMENTS} document-0001: 2 pages, ")
