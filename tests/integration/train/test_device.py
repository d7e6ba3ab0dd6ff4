"""What a training runs on: a GPU that was asked for and cannot be used ends it at once; ranks that lose contact."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time

import pytest
import torch

from tests.support.train.place import Place
from training.train import command as train

pytestmark = pytest.mark.integration
DEADLINE_S = 120.0
MAX_SECONDS = 30.0

# A rank of two that communicates once, and in the meantime its partner does what `sys.argv[2]` says.
RANK = """
import os, sys, time
from datetime import timedelta
from training.process.exit import run_command
from training.train.distributed import collectives
from training.train.distributed.topology import Topology
collectives.CONTACT_TIMEOUT = timedelta(seconds=4)
rank, partner, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def command():
    topology = Topology(processes=2, process=rank, port=port)
    meeting = collectives.meeting_point(topology)
    if rank == 0:
        print(meeting.port, flush=True)
    collectives.join(topology, meeting, has_gpu=False)
    collectives.check_contact()
    if rank == 1 and partner == "ends":
        os._exit(0)
    if rank == 1:
        time.sleep(60)
    collectives.check_contact()

os._exit(run_command(command))
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_cannot_be_used_ends_the_command_in_seconds_with_a_sentence_and_before_any_download(
    place: Place,
) -> None:
    command = [sys.executable, "-m", "training.train", *place.arguments("--device", "cuda", "--processes", "2")]
    begun_s = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert time.monotonic() - begun_s < MAX_SECONDS
    assert result.returncode == 69, result.stderr
    assert "Traceback" not in result.stderr
    message = place.termination()
    assert (message["exitCode"], message["reason"]) == (69, "GPUUnavailable")
    for part in ("None of the 2 GPUs asked for can be used", "runtimeClassName", "torch says", "driver 580 or later"):
        assert part in message["message"]
    assert not (place.root / "work").exists()


# What of libcuda the CUDA runtime calls first: a driver for CUDA 12.8.
OLD_DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int cuGetProcAddress_v2(const char *name, void **found, int version, unsigned long flags, void *status) {
  *found = !strcmp(name, "cuDriverGetVersion") ? (void *)cuDriverGetVersion
         : !strcmp(name, "cuInit") ? (void *)cuInit
         : !strncmp(name, "cuGetProcAddress", 16) ? (void *)cuGetProcAddress_v2 : 0;
  return *found ? 0 : 500;
}
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_driver_that_is_too_old_is_told_of_with_the_one_that_is_needed(place: Place) -> None:
    source = place.root / "libcuda.c"
    source.write_text(OLD_DRIVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", place.root / "libcuda.so.1", source], check=True)
    command = [sys.executable, "-m", "training.train", *place.arguments("--device", "cuda")]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(place.root)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert result.returncode == 69, result.stderr
    message = place.termination()["message"]
    assert "the node's NVIDIA driver is too old, so update it to 580 or later" in message
    assert "the driver found is one of unknown version for CUDA 12.8" in message
    assert "(found version 12080)" in message


def test_options_are_checked_before_any_look_at_a_gpu(place: Place) -> None:
    begun_s = time.monotonic()
    assert train.main(place.arguments("--device", "cuda", "--num-epoch", "0")) == 64
    assert time.monotonic() - begun_s < 2


def test_the_cpu_trains_where_it_is_asked_for_and_is_named_everywhere(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert train.main(place.arguments("--device", "cpu", epochs=1)) == 0
    assert "training on CPU" in caplog.text
    assert "computing on the CPU" not in caplog.text  # a warning that nobody needs who asked for it
    device = {"name": "CPU", "count": 1}
    assert place.manifest()["device"] == device
    assert place.termination()["progress"]["device"] == device
    (log,) = (place.checkpoints / "logs").glob("*.jsonl")
    assert json.loads(log.read_text().splitlines()[0])["device"] == {**device, "memoryBytes": None}
    assert "<dt>device</dt><dd>CPU</dd>" in (place.checkpoints / "report.html").read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_auto_says_so_and_takes_the_cpu(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    assert train.main([str(place.root / "nowhere"), *place.arguments()[1:]]) == 66
    assert "There is no NVIDIA driver here; computing on the CPU." in caplog.text


@pytest.mark.parametrize("partner", ["hangs", "ends"])
def test_a_rank_whose_partner_hangs_or_ends_has_lost_contact(partner: str) -> None:
    def start(rank: int, port: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", RANK, str(rank), partner, str(port)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    main = start(0, 0)
    assert main.stdout is not None
    other = start(1, int(main.stdout.readline()))
    try:
        _, errors = main.communicate(timeout=DEADLINE_S)
    finally:
        for process in (main, other):
            process.kill()
            process.communicate()
    assert main.returncode == 75, errors
    assert "error: LostContact: The training processes lost contact" in errors
