"""Exceptions -> exit codes, reasons, messages."""

import errno

import pytest

from training.documents.quarantine import DocumentError, Reason
from training.errors import (
    ConfigError,
    CudaOOM,
    DataError,
    Failure,
    Forbidden,
    Interrupted,
    LostContact,
    NotFound,
    Transient,
    WorkerError,
    describe_failure,
)
from training.process.exit import run_command


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ConfigError("x"), 64, "ConfigError"),
        (DataError("x"), 65, "DataError"),
        (DocumentError(Reason.ENCRYPTED, "x"), 65, "DataError"),
        (NotFound("x"), 66, "NotFound"),
        (Transient("x"), 75, "Transient"),
        (LostContact("x"), 75, "LostContact"),
        (Forbidden("x"), 77, "Forbidden"),
        (CudaOOM("x"), 86, "CudaOOM"),
        (Interrupted("x"), 143, "Interrupted"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 86, "CudaOOM"),
        (RuntimeError("NCCL error in: ProcessGroup"), 75, "LostContact"),
        (ConnectionResetError("x"), 75, "Transient"),
        (TimeoutError("x"), 75, "Transient"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/file"), 75, "Transient"),
        (ValueError("x"), 1, "UserError"),
        (WorkerError("x"), 1, "UserError"),
    ],
)
def test_every_exception_has_its_exit_code_and_reason(error: BaseException, code: int, reason: str) -> None:
    failure = describe_failure(error)
    assert (failure.exit_code, failure.reason) == (code, reason)


def test_a_message_is_one_line_that_fits_a_condition() -> None:
    failure = describe_failure(DataError("first\n  second\t" + "x" * 5000))
    assert failure.message.startswith("first second xxx")
    assert len(failure.message) == 1000
    assert failure.message.endswith("…")


def failing(error: BaseException) -> None:
    raise error


def test_a_known_failure_prints_one_line_and_reports_itself(capsys: pytest.CaptureFixture[str]) -> None:
    reported: list[Failure] = []
    code = run_command(lambda: failing(DataError("No table.")), on_failure=reported.append)
    assert code == 65
    assert capsys.readouterr().err == "error: DataError: No table.\n"
    assert reported == [Failure(65, "DataError", "No table.", expected=True)]


def test_an_unknown_failure_and_a_verbose_one_print_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: failing(ValueError("odd"))) == 1
    assert "Traceback" in capsys.readouterr().err
    assert run_command(lambda: failing(DataError("No table.")), is_verbose=lambda: True) == 65
    assert "Traceback" in capsys.readouterr().err


def test_a_report_that_fails_does_not_hide_the_first_failure(capsys: pytest.CaptureFixture[str]) -> None:
    for second in (OSError("no log"), Interrupted("no log")):
        code = run_command(lambda: failing(NotFound("gone")), on_failure=lambda _, second=second: failing(second))
        assert code == 66
        printed = capsys.readouterr().err
        assert "gone" in printed
        assert "no log" in printed


def test_success_is_zero_and_help_passes_through() -> None:
    assert run_command(lambda: None) == 0
    with pytest.raises(SystemExit):
        run_command(lambda: failing(SystemExit(0)))
