"""The tables of PDFs, for programs: the same predictions as `training.infer` writes, in this process and without files.

    with TableFinder("s3://bucket/models/tables.pth") as finder:
        for page in finder.tables_of("report.pdf"):
            for table in page.tables:
                print(page.number, table.box, [cell.text for cell in table.cells])

Pages are drawn in another process, which starts as Python's `multiprocessing` has it: a script keeps its own work under
`if __name__ == "__main__":`.
"""

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

from training.documents.poppler import PdfFile
from training.documents.render import RenderOptions
from training.infer import render_ahead
from training.infer.network import LoadDetector, download_model, load_network
from training.infer.predictor import Predictor
from training.infer.render_ahead import DrawTask
from training.infer.tables import PredictedPage
from training.model import bundle
from training.model.detections import WORKING_SCORE
from training.process.limits import limit_process
from training.process.pool import DocumentPool


class TableFinder:
    """Finds tables with a published model, as a context manager: the network is loaded once, for any number of PDFs.

    It is not thread-safe: one PDF at a time.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str = "auto",
        score: float = WORKING_SCORE,
        dpi: int = RenderOptions.dpi,
        batch_size: int = 1,
        load_detector: LoadDetector = load_network,
    ) -> None:
        """Args:
        model: the .pth that `training.train` published, a path or s3://. Its config, which is executed as Python,
            and its manifest lie beside it.
        device: auto, cpu or cuda.
        score: lowest score of a detection, from 0 to 1.
        dpi: resolution at which pages are drawn; what the model was trained at.
        batch_size: pages that the network gets at once.
        """
        self._model = model
        self._device = device
        self._score = score
        self._render = RenderOptions(dpi)
        self._batch_size = batch_size
        self._load_detector = load_detector

    def __enter__(self) -> Self:
        """Downloads and checks the model. Raises NotFound, DataError, ConfigError, and what the storage raises."""
        with ExitStack() as stack:
            self._scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tables-")))
            model = download_model(bundle.destination(self._model), self._scratch)
            pool = stack.enter_context(DocumentPool(1, initialize=limit_process, preload=render_ahead.__name__))
            self._predictor = Predictor(
                pool, lambda: self._load_detector(model, self._device, self._batch_size), score=self._score
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def tables_of(self, pdf: str | Path, *, password: str | None = None) -> list[PredictedPage]:
        """All pages of a PDF with their tables; boxes are in pixels of the page as it was drawn, from its upper left.

        Raises DocumentError if the PDF can't be read (its `quarantine_reason` says why in a word), WorkerError for a
        fault of this machine.
        """
        path = Path(pdf).absolute()
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            task = DrawTask(path.stem, PdfFile(path, password), Path(folder), self._render)
            with closing(self._predictor.chunks(task)) as chunks:
                return [page for _, predicted in chunks for page in predicted]


def tables_of(pdf: str | Path, model: str, *, password: str | None = None) -> list[PredictedPage]:
    """The tables of one PDF. Loading the model takes seconds: for several PDFs use a `TableFinder`."""
    with TableFinder(model) as finder:
        return finder.tables_of(pdf, password=password)
