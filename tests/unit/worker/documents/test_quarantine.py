"""Which failures are a document's own, and which end the run."""

import errno
import logging
from typing import Any

import pytest

from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason, is_of_document, quarantine_faults
from training.errors import ConfigError, DataError, Forbidden, GPUFault, Interrupted, Transient, WorkerError


@pytest.mark.parametrize(
    "error",
    [
        DocumentError(Reason.CORRUPT, "It is broken."),
        MemoryError(),
        RuntimeError("Calculated output size: (32x7x0). Output size is too small"),
        KeyError("left"),
        ValueError(""),
        OSError(errno.EFBIG, "File too large"),
        AssertionError(),
    ],
)
def test_what_nobody_foresaw_is_the_documents_own(error: Exception) -> None:
    assert is_of_document(error)
    assert isinstance(quarantine_faults("a", raising(error)), QuarantinedDocument)


@pytest.mark.parametrize(
    ("error", "typed"),
    [
        (Transient("S3 answers 503."), Transient),
        (Forbidden("No."), Forbidden),
        (ConfigError("poppler is not installed."), ConfigError),
        (DataError("The model holds other classes."), DataError),
        (WorkerError("The model's code failed."), WorkerError),
        (OSError(errno.ENOSPC, "No space left on device", "x.jpg"), Transient),
        (ConnectionResetError(), Transient),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), GPUFault),
        (Interrupted("SIGTERM"), Interrupted),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_fault_of_the_machine_or_the_end_of_the_run_is_no_documents(
    error: BaseException, typed: type[BaseException]
) -> None:
    assert not is_of_document(error)
    with pytest.raises(typed):
        quarantine_faults("a", raising(error))


def test_what_nobody_foresaw_is_in_the_log_with_its_document_and_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = quarantine_faults("report", raising(KeyError("left")))
    assert found == QuarantinedDocument(
        "report", Reason.UNEXPECTED, "KeyError: 'left'; this is a fault of the worker, please report it."
    )
    assert "report: unexpected error" in caplog.text
    assert "Traceback" in caplog.text


def raising(error: BaseException) -> Any:
    def work() -> None:
        raise error

    return work
