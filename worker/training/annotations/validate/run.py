"""Checks all documents of a source in parallel."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from training.annotations.validate.check import CheckOptions, CheckTask, check_document
from training.annotations.validate.findings import CheckedDocument, Findings
from training.badgerdoc.corpus import Pair
from training.badgerdoc.source import find_documents
from training.dataset.layout import is_ours
from training.documents.passwords import Passwords
from training.documents.poppler import PdfFile
from training.documents.quarantine import killed
from training.process.limits import limit_process
from training.process.pool import DocumentPool, ProcessKilledError
from training.process.threads import thread_pool
from training.storage.base import Storage
from training.storage.local import local_file

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Which documents are checked, and how. `scratch` is an empty folder for what is downloaded."""

    source: Storage
    options: CheckOptions
    passwords: Passwords
    scratch: Path
    workers: int

    def findings(self, on_progress: OnProgress) -> Findings:
        """Checks every document of the source. `on_progress` hears how many of how many are done.

        Raises what the storage raises, and WorkerError for a fault of this machine.
        """
        pairing = find_documents(self.source, is_output=is_ours)
        checked = [CheckedDocument.quarantined(document) for document in pairing.quarantined]
        if pairing.pairs:
            checked += self._check(pairing.pairs, on_progress)
        return Findings.of(checked, pairing.ignored)

    def _check(self, pairs: Sequence[Pair], on_progress: OnProgress) -> list[CheckedDocument]:
        results: list[CheckedDocument] = []
        with (
            DocumentPool(self.workers, initialize=limit_process, preload=check_document.__module__) as processes,
            thread_pool(2 * self.workers + 2, "document") as threads,
        ):
            waiting = [threads.submit(self._one, processes, index, pair) for index, pair in enumerate(pairs)]
            try:
                for future in as_completed(waiting):
                    results.append(future.result())
                    on_progress(len(results), len(pairs))
            except BaseException:
                processes.kill()
                raise
        return results

    def _one(self, processes: DocumentPool, index: int, pair: Pair) -> CheckedDocument:
        # Numbered, since a document's name may not be a valid folder name.
        folder = self.scratch / f"{index:06d}"
        folder.mkdir()
        try:
            pdf = local_file(self.source, pair.pdf.key, folder / "document.pdf")
            json = local_file(self.source, pair.json.key, folder / "document.json")
            task = CheckTask(pair.name, PdfFile(pdf, self.passwords.of(pair.name)), json, self.options)
            return processes.result(processes.submit(check_document, task), check_document, task)
        except ProcessKilledError:
            return CheckedDocument.quarantined(killed(pair.name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
