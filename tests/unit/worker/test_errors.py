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
    GPUFault,
    GPUUnavailable,
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
        (GPUUnavailable("x"), 69, "GPUUnavailable"),
        (Transient("x"), 75, "Transient"),
        (GPUFault("x"), 75, "GPUFault"),
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


class DistBackendError(RuntimeError):
    """Named like torch's."""


class AcceleratorError(RuntimeError):
    """Named like torch's."""


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


NCCL = "NCCL error in: /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:3690, "
CUDA_NOTE = "\nSearch for `cudaErrorX' in https://docs.nvidia.com/cuda/cuda-runtime-api. CUDA kernel errors might be"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.25 GiB free."), CudaOOM),
        (AcceleratorError(f"CUDA error: out of memory{CUDA_NOTE}"), CudaOOM),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), CudaOOM),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), CudaOOM),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), CudaOOM),
        (
            DistBackendError(
                f"{NCCL}unhandled cuda error, NCCL version 2.27\nLast error:\nCuda failure 2 'out of memory'"
            ),
            CudaOOM,
        ),
        (AcceleratorError(f"CUDA error: uncorrectable ECC error encountered{CUDA_NOTE}"), GPUFault),
        (AcceleratorError("CUDA error: uncorrectable NVLink error detected during the execution"), GPUFault),
        (AcceleratorError(f"CUDA error: unspecified launch failure{CUDA_NOTE}"), GPUFault),
        (AcceleratorError(f"CUDA error: an illegal memory access was encountered{CUDA_NOTE}"), GPUFault),
        (AcceleratorError("CUDA error: misaligned address"), GPUFault),
        (AcceleratorError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"), GPUFault),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), GPUFault),
        (RuntimeError("Unable to determine the device handle for GPU 0000:0B:00.0: GPU is lost."), GPUFault),
        (RuntimeError("NVRM: Xid (PCI:0000:0b:00): 79, GPU has fallen off the bus."), GPUFault),
        (DistBackendError(f"{NCCL}unhandled cuda error\nCuda failure 719 'unspecified launch failure'"), GPUFault),
        (AcceleratorError("CUDA error: invalid device ordinal"), GPUUnavailable),
        (AcceleratorError("CUDA error: no kernel image is available for execution on the device"), GPUUnavailable),
        (RuntimeError("No CUDA GPUs are available"), GPUUnavailable),
        (
            RuntimeError(
                "The NVIDIA driver on your system is too old (found version 12080). Please update your driver"
            ),
            GPUUnavailable,
        ),
        (
            RuntimeError("unable to open shared memory object </torch_12_34_0> in read-write mode: No space left (28)"),
            ConfigError,
        ),
        (
            RuntimeError("unable to mmap 1048576 bytes from file </torch_12_34_0>: Cannot allocate memory (12)"),
            ConfigError,
        ),
        (RuntimeError("unable to write to file </torch_12_34_0>: No space left on device (28)"), ConfigError),
        (
            DistBackendError(
                f"{NCCL}ncclSystemError\nError while creating shared memory segment /dev/shm/nccl-Ab (size 5)"
            ),
            ConfigError,
        ),
        (DistBackendError(f"{NCCL}remote process exited or there was a network error"), LostContact),
        (
            DistBackendError("[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(OpType=ALLREDUCE)"),
            LostContact,
        ),
        (RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"), LostContact),
        (RuntimeError("CUDA error: device-side assert triggered"), WorkerError),
        (
            RuntimeError(
                "unable to open shared memory object </torch_1_2_3> in read-write mode: Too many open files (24)"
            ),
            WorkerError,
        ),
        (ValueError("CUDA out of memory"), WorkerError),
    ],
)
def test_a_failure_of_torch_and_of_what_is_below_it_has_the_class_of_its_words(
    error: BaseException, kind: type[WorkerError]
) -> None:
    failure = describe_failure(error)
    assert (failure.exit_code, failure.reason) == (kind.exit_code, kind.reason)
    assert str(error).splitlines()[0][:60] in failure.message


def dead_data_worker() -> RuntimeError:
    """As torch tells of it: what the worker died of is in the cause alone."""
    cause = RuntimeError(
        "DataLoader worker (pid 42) is killed by signal: Bus error. It is possible that dataloader's workers are out "
        "of shared memory. Please try to raise your shared memory limit."
    )
    error = RuntimeError("DataLoader worker (pid(s) 42) exited unexpectedly")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("run", "field"),
    [({"TRAINING_RUN_NAME": "run-1"}, "training.podTemplate.resources.limits.memory"), ({}, "--shm-size")],
)
def test_too_little_shared_memory_names_what_gives_more_of_it(
    monkeypatch: pytest.MonkeyPatch, run: dict[str, str], field: str
) -> None:
    monkeypatch.delenv("TRAINING_RUN_NAME", raising=False)
    for name, value in run.items():
        monkeypatch.setenv(name, value)
    failure = describe_failure(dead_data_worker())
    assert failure.exit_code == 64
    assert field in failure.message
    assert "num_workers=0" in failure.message
    assert "Bus error" in failure.message


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
