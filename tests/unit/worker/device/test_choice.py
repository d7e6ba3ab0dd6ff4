"""What `--device` leads to, and the process that looks at the GPUs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.support.gpus import L4, NOTHING, facts
from training.device import choice
from training.device.choice import choose_gpus, look
from training.device.device import Device
from training.device.driver import device_files, driver_version
from training.device.gpu_facts import Gpu, GpuFacts
from training.errors import ConfigError, GPUUnavailable

BROKEN = replace(L4, trouble="CUDA error: unknown error")


def never() -> GpuFacts:
    raise AssertionError("must not be asked")


def chosen(device: str, found: GpuFacts, *, asked: int | None) -> tuple[Gpu, ...]:
    return choose_gpus(device, asked=asked, look=lambda: found, has_driver=lambda: True)


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize(("asked", "count"), [(None, 2), (1, 1), (2, 2)])
def test_as_many_gpus_as_asked_for_are_used_or_all_that_are_seen(device: str, asked: int | None, count: int) -> None:
    assert len(chosen(device, facts(L4, L4), asked=asked)) == count


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_fewer_than_asked_for_are_never_used(device: str) -> None:
    with pytest.raises(GPUUnavailable, match="1 of the 2 GPUs asked for"):
        chosen(device, facts(L4, BROKEN), asked=None)
    with pytest.raises(GPUUnavailable, match="2 of the 4 GPUs asked for"):
        chosen(device, facts(L4, L4), asked=4)


def test_only_auto_goes_on_without_a_gpu_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    assert chosen("auto", facts(BROKEN), asked=None) == ()
    assert "Computing on the CPU. The GPU asked for cannot be used: GPU 0 (NVIDIA L4) fails" in caplog.text
    assert choose_gpus("auto", asked=4, look=never, has_driver=lambda: False) == ()
    assert "There is no NVIDIA driver here; computing on the CPU." in caplog.text
    with pytest.raises(GPUUnavailable, match="The GPU asked for cannot be used"):
        chosen("cuda", facts(**NOTHING), asked=None)


def test_the_cpu_is_taken_without_a_look_at_the_gpus() -> None:
    assert choose_gpus("cpu", asked=4, look=never, has_driver=lambda: True) == ()


def answer_facts(answer: Connection) -> None:
    answer.send(facts(L4))


def answer_error(answer: Connection) -> None:
    answer.send(ConfigError("odd"))


def die(_: Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(_: Connection) -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    ("main", "deadline_s", "error", "sentence"),
    [
        (die, 60, GPUUnavailable, "ended the process with exit code -9"),
        (hang, 0.5, GPUUnavailable, "do not answer within 0.5 s"),
        (answer_error, 60, ConfigError, "odd"),
    ],
)
def test_gpus_that_hang_or_kill_the_process_that_looks_at_them_are_told_of(
    monkeypatch: pytest.MonkeyPatch,
    main: Callable[[Connection], None],
    deadline_s: float,
    error: type[Exception],
    sentence: str,
) -> None:
    monkeypatch.setattr(choice, "_look", main)
    monkeypatch.setattr(choice, "LOOK_DEADLINE_S", deadline_s)
    with pytest.raises(error, match=sentence):
        look()


def test_what_the_process_finds_out_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_look", answer_facts)
    assert look() == facts(L4)


def test_a_choice_needs_no_torch() -> None:
    code = "import sys; from training.device import choice; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n", "535.183.01"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC 12.2.0", "580.65.06"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Release\n", "570.86.15"),
        ("nothing", None),
    ],
)
def test_the_drivers_version_is_the_kernels(tmp_path: Path, text: str, version: str | None) -> None:
    path = tmp_path / "proc/driver/nvidia/version"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert driver_version(tmp_path) == version


def test_device_files_are_those_of_gpus(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia11", "nvidiactl", "nvidia-uvm", "nvidia-caps"):
        (tmp_path / "dev" / name).touch()
    assert device_files(tmp_path) == 2


def test_the_device_is_named_for_reports_and_for_people() -> None:
    two = Device.of([L4, L4], ranks=2)
    assert two.in_report() == {"name": "NVIDIA L4", "count": 2, "memoryBytes": 23609475072}
    assert str(two) == "2 x NVIDIA L4, 22.0 GiB each"
    assert str(Device.of([L4], ranks=1)) == "NVIDIA L4, 22.0 GiB"
    cpu = Device.of([], ranks=2)
    assert cpu.in_report() == {"name": "CPU", "count": 2}
    assert (str(cpu), cpu.is_gpu, two.is_gpu) == ("2 x CPU", False, True)
