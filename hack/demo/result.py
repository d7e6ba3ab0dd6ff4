"""What the demo's model can do: its metrics in words, and the tables that it finds in documents it has not seen."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hack.documents.corpus import draw_corpus
from hack.documents.found_tables import compare_documents
from training.dataset.layout import MANIFEST_KEY
from training.dataset.manifest import Manifest
from training.storage.uri import open_storage

UNSEEN_SEED = 78
UNSEEN_DOCUMENTS = 2


def in_words(metrics: Mapping[str, float]) -> str:
    """The test metrics of `status.model.metrics`, by name, in a sentence or two."""
    recall, precision = metrics.get("table_recall_50"), metrics.get("table_precision_50")
    parts = []
    if recall is not None and precision is not None:
        parts.append(
            f"On the test pages, which it did not learn from, the model finds {recall:.0%} of the tables, and "
            f"{precision:.0%} of what it calls a table is one."
        )
    names = {"table_mAP_50": "tables at IoU .5", "bbox_mAP_50": "all classes at IoU .5", "bbox_mAP": "all classes"}
    scores = [f"{words} {metrics[name]:.3f}" for name, words in names.items() if name in metrics]
    if scores:
        parts.append(f"Average precision: {', '.join(scores)}.")
    return " ".join(parts) or "The model has no test metrics."


def unseen_documents(source: Path | None, dataset_uri: str, folder: Path) -> Path:
    """A folder with pdfs/ and json/ of two documents that the model did not learn from: drawn ones, or those of the
    user's that the dataset at `dataset_uri` has in its test split.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if source is None:
        draw_corpus(folder, documents=UNSEEN_DOCUMENTS, seed=UNSEEN_SEED)
        return folder
    manifest = Manifest.model_validate_json(open_storage(dataset_uri).read_bytes(MANIFEST_KEY))
    names = sorted(document.name for document in manifest.documents if document.split == "test")
    for kind, suffix in (("pdfs", "pdf"), ("json", "json")):
        (folder / kind).mkdir(parents=True)
        for name in names[:UNSEEN_DOCUMENTS]:
            shutil.copy(source / kind / f"{name}.{suffix}", folder / kind)
    return folder


def predict(documents: Path, model_uri: str, output: Path) -> str:
    """Run training.infer and compare with the documents' JSON. Returns a sentence; the pages lie in output/draw."""
    command = [sys.executable, "-m", "training.infer", str(documents / "pdfs"), str(output), "--model", model_uri]
    command += ["--device", "cpu", "--force", "True"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"error: training.infer ended with {result.returncode}: {result.stderr[-2000:]}")
    return str(compare_documents(sorted((documents / "json").glob("*.json")), output / "json"))
