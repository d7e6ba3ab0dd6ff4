"""A folder with one document of each fault, before the network of a published model: all others are predicted."""

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfWriter
from reportlab.pdfgen.canvas import Canvas

from hack.documents.corpus import draw_corpus
from hack.documents.faults import draw_faults
from tests.support.infer.predicting import read_json
from tests.support.train.place import Place
from training.infer import command as infer
from training.infer.predictor import PageDetector
from training.model.bundle import VerifiedModel
from training.model.detections import Detection

pytestmark = pytest.mark.integration

ODD_SIZE = 300, 300  # points, and no other document's
SIZES_PT = {"narrow": (60, 900), "wide": (7000, 226), "small": (20, 20), "odd": ODD_SIZE}
FAULTS = {
    "encrypted": "encrypted",
    "corrupt-truncated": "corrupt",
    "corrupt-empty": "corrupt",
    "corrupt-web-page": "corrupt",
    "no-pages": "corrupt",
    "too_large-page": "too_large",
    "too_large-for-jpeg": "too_large",
    "shape-ribbon": "shape",
    "shape-stamp": "shape",
    "timeout-page-bomb": "timeout",
}


def draw_page_of(path: Path, size_pt: tuple[float, float]) -> None:
    canvas = Canvas(str(path), pagesize=size_pt)
    canvas.drawString(2, size_pt[1] / 2, "12.5")
    canvas.showPage()
    canvas.save()


@pytest.fixture(scope="module")
def incoming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("incoming")
    draw_corpus(folder, documents=2, seed=3, pages=2)
    draw_faults(folder / "faults")
    for name in FAULTS:
        if name != "no-pages":
            shutil.copy(folder / "faults" / "pdfs" / f"{name}.pdf", folder / "pdfs")
    PdfWriter().write(folder / "pdfs" / "no-pages.pdf")
    for name, size_pt in SIZES_PT.items():
        draw_page_of(folder / "pdfs" / f"{name}.pdf", size_pt)
    return folder / "pdfs"


class Stumbling:
    """The model's network, which raises `error` at a page of ODD_SIZE."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._network: PageDetector | None = None

    def load(self, model: VerifiedModel, device: str, batch_size: int) -> PageDetector:
        self._network = infer.load_network(model, device, batch_size)
        return self

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        assert self._network is not None
        for path in images:
            with Image.open(path) as image:
                if image.size == tuple(side * 120 // 72 for side in ODD_SIZE):
                    raise self._error
        return self._network.detect(images)


def test_every_document_but_the_faulty_ones_is_predicted(
    straight: Place,
    incoming: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO, logger="training")
    options = ("--model", str(straight.model), "--device", "cpu", "--page_timeout", "2")
    stumbling = Stumbling(IndexError("index 3 is out of bounds"))
    assert infer.main([str(incoming), str(tmp_path), *options], load_detector=stumbling.load) == 65
    good = {"document-0001", "document-0002", *SIZES_PT} - {"odd"}
    assert {path.stem for path in (tmp_path / "json").iterdir()} == good
    assert read_json(tmp_path, "narrow")["pages"][0]["bbox"] == {"left": 0, "top": 0, "width": 100, "height": 1500}
    for name, reason in {**FAULTS, "odd": "unexpected"}.items():
        assert re.search(rf"^.*\d+/\d+ {name}: {reason}: .+", caplog.text, re.MULTILINE), name
    assert "odd: unexpected error" in caplog.text
    assert "Traceback" in caplog.text
    output = capsys.readouterr()
    assert output.out.endswith(f"{len(good)} predicted, {len(FAULTS) + 1} failed\n")
    assert all(name in output.err for name in [*FAULTS, "odd"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), 65),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), 75),
        (OSError(28, "No space left on device"), 75),
    ],
)
def test_a_page_that_a_gpu_has_no_room_for_is_one_documents_fault_and_a_lost_gpu_is_none(
    straight: Place, incoming: Path, tmp_path: Path, error: Exception, code: int
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(incoming / "odd.pdf", tmp_path / "in")
    shutil.copy(incoming / "wide.pdf", tmp_path / "in")
    arguments = [str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(straight.model), "--device", "cpu"]
    assert infer.main(arguments, load_detector=Stumbling(error).load) == code
    assert (tmp_path / "out" / "json" / "wide.json").exists() is (code == 65)
    assert not (tmp_path / "out" / "json" / "odd.json").exists()


def test_a_network_that_cannot_be_loaded_ends_the_run(straight: Place, incoming: Path, tmp_path: Path) -> None:
    calls: list[object] = []

    def load(*arguments: object) -> PageDetector:
        calls.append(arguments)
        raise KeyError("backbone")

    arguments = [str(incoming), str(tmp_path), "--model", str(straight.model), "--page_timeout", "2"]
    assert infer.main(arguments, load_detector=load) == 1
    assert len(calls) == 1
