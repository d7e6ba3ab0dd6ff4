"""Several processes that train together: on one node, on two, stopped, killed, and continued by another number."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.made_once import made_once
from tests.support.train.buffers_record import digest
from tests.support.train.overflow import overflowing_config
from tests.support.train.place import ITERATIONS_PER_EPOCH, Place, differing
from training.train import command as train

pytestmark = pytest.mark.integration

# Ranks sample their boxes differently, and each averages its losses over its own: what is left is that.
TOLERANCE = 0.1  # of the way that the weights went
DEADLINE_S = 120.0
# No samples, no moments, no statistics of batches: nothing that depends on how a batch is divided.
COMPARABLE = (
    "model.backbone.norm_eval=True",
    "model.train_cfg.rpn.sampler.num=100000",
    *(f"model.train_cfg.rcnn.{stage}.sampler.num=100000" for stage in range(3)),
    "optim_wrapper.optimizer.type=SGD",
    "optim_wrapper.optimizer.lr=0.002",
    "optim_wrapper.clip_grad=None",
)


def start(place: Place, *more: str, epochs: int = 2, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    environment = {**os.environ, "TRAINING_TERMINATION_LOG": str(place.termination_log), **(env or {})}
    command = [sys.executable, "-m", "training.train", *place.arguments(*more, epochs=epochs)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]", *, code: int = 0) -> str:
    """The end of the process, and what it said."""
    try:
        _, errors = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, errors[-3000:]
    return errors


def two_ranks(*options: str) -> list[str]:
    return ["--processes", "2", "--cfg-options", "train_dataloader.batch_size=1", *options]


def wait_for(what: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert process.poll() is None, process.stderr.read()[-3000:] if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(process: "subprocess.Popen[str]") -> list[int]:
    """Those that train, not the one that multiprocessing keeps for itself."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    found = [int(pid) for pid in path.read_text().split()] if path.exists() else []
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, straight: Place) -> Place:
    """Two epochs by two processes that nobody interrupts."""

    def train_together(root: Path) -> None:
        config = root / "recorded.py"
        hook = {"type": "BuffersRecord", "folder": str(root / "buffers")}
        imports = {"imports": ["tests.support.train.buffers_record"]}
        config.write_text(f"_base_ = [{str(straight.config)!r}]\ncustom_imports = {imports}\ncustom_hooks = [{hook}]\n")
        finish(start(replace(straight, root=root, config=config), *two_ranks()))

    return replace(straight, root=made_once(tmp_path_factory, "together", train_together))


def test_two_processes_learn_what_one_does_with_the_same_images_a_step(place: Place, straight: Place) -> None:
    weights = {}
    for name, options in (("one", ["--cfg-options"]), ("two", two_ranks())):
        at = replace(place, root=place.root / name)
        at.root.mkdir()
        finish(start(at, "--load-from", str(straight.model), *options, *COMPARABLE))
        weights[name] = at.weights()
    base = straight.weights()

    def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
        return float(sum(((a[key].double() - b[key].double()) ** 2).sum() for key in a) ** 0.5)

    assert distance(weights["one"], weights["two"]) < TOLERANCE * distance(weights["one"], base)


def test_a_stop_ends_all_ranks_at_the_same_iteration_and_they_continue_to_the_very_same_weights(
    place: Place, together: Place
) -> None:
    process = start(place, *two_ranks())
    wait_for((place.checkpoints / "epoch_1.json").exists, process)
    process.send_signal(signal.SIGTERM)
    errors = finish(process, code=143)
    assert "SIGTERM ended the training at iteration" in errors
    assert place.termination()["exitCode"] == 143
    finish(start(place, "--resume-from", "auto", *two_ranks()))
    assert differing(place.weights(), together.weights()) == []


def test_both_ranks_evaluate_the_statistics_that_are_published(together: Place) -> None:
    folder = together.root / "buffers"
    seen = {path.name: path.read_text() for path in folder.iterdir()}
    assert seen["train-0-0"] != seen["train-0-1"]
    assert seen["val-1-0"] == seen["val-1-1"]
    assert seen["val-2-0"] == seen["val-2-1"]
    assert seen["test-2-0"] == seen["test-2-1"] == digest(together.weights())
    checkpoint = torch.load(together.checkpoints / "epoch_1.pth", weights_only=True)
    assert seen["val-1-0"] == digest(checkpoint["state_dict"])


def test_the_learning_rate_follows_the_number_of_ranks_between_epochs(place: Place, straight: Place) -> None:
    scaled = ("--cfg-options", "auto_scale_lr.enable=True", "auto_scale_lr.base_batch_size=2")
    checkpoint = str(straight.checkpoints / "epoch_1.pth")  # of steps of 2 pages, so that scaling changed nothing
    errors = finish(start(place, "--resume-from", checkpoint, "--processes", "2", *scaled))
    fresh = replace(place, root=place.root / "fresh")
    fresh.root.mkdir()
    finish(start(fresh, "--processes", "2", *scaled))
    rates = []
    for at in (place, fresh):
        lines = (at.root / "work" / "logs" / "metrics.jsonl").read_text().splitlines()
        found = {record["iteration"]: record for record in map(json.loads, lines) if record["kind"] == "iteration"}
        rates.append(found[max(found)]["learningRate"])
    assert rates == pytest.approx([2 * 0.1 * 0.004] * 2)  # the second epoch's
    assert "the optimizer continues with lr" in errors


def test_another_number_of_ranks_continues_between_epochs(place: Place, together: Place) -> None:
    assert train.main(place.arguments("--resume-from", str(together.checkpoints / "epoch_1.pth"))) == 0
    assert place.manifest()["epochs"] == 2
    points = place.termination()["progress"]["resumePoints"]
    assert [point["iteration"] for point in points] == [2 * ITERATIONS_PER_EPOCH]


def test_ranks_on_two_nodes_train_what_ranks_on_one_do(place: Place, together: Place) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"TRAINING_NODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    processes = []
    for node in range(2):
        # A machine of its own, but for the place that both can reach.
        at = replace(place, root=place.root / f"node-{node}")
        at.root.mkdir()
        shared = ["--model_output", str(place.model), "--checkpoint-output", str(place.checkpoints)]
        env = {**common, "JOB_COMPLETION_INDEX": str(node)}
        options = ["--cfg-options", "train_dataloader.batch_size=1"]
        processes.append(start(at, *shared, *options, env=env))
    for process in processes:
        finish(process)
    assert differing(place.weights(), together.weights()) == []
    messages = [replace(place, root=place.root / f"node-{node}").termination() for node in range(2)]
    assert messages[0]["model"]["sha256"] == place.manifest()["sha256"]
    assert messages[1] == {"version": 1, "stage": "train", "result": "succeeded", "node": {"index": 1, "of": 2}}


def test_a_rank_that_is_killed_ends_the_training_which_says_so(place: Place) -> None:
    process = start(place, *two_ranks(), epochs=50)
    wait_for((place.checkpoints / "epoch_1.json").exists, process)
    (rank,) = children(process)
    os.kill(rank, signal.SIGKILL)
    assert "The process of rank 1 was killed" in finish(process, code=75)
    assert place.termination()["reason"] == "Transient"


def test_a_leader_that_is_killed_takes_its_ranks_along(place: Place) -> None:
    process = start(place, *two_ranks(), epochs=50)
    wait_for(lambda: len(children(process)) == 1, process)
    (rank,) = children(process)
    wait_for((place.checkpoints / "epoch_1.json").exists, process)
    process.kill()
    process.communicate(timeout=DEADLINE_S)  # until nobody holds the other end of the pipe
    assert not is_running(rank)


def test_weights_that_overflow_end_all_ranks_before_they_are_stored(place: Place) -> None:
    path = overflowing_config(place, iteration=ITERATIONS_PER_EPOCH)
    errors = finish(start(place, "--config", str(path), *two_ranks()), code=1)
    assert f"were NaN or infinite after iteration {ITERATIONS_PER_EPOCH}, with a finite loss" in errors
    assert "there is no checkpoint yet" in place.termination()["message"]
    assert list(place.checkpoints.glob("*.pth")) == []


def test_what_a_rank_fails_of_is_what_the_command_says(place: Place) -> None:
    options = two_ranks("optim_wrapper.optimizer.lr=1e30", "optim_wrapper.clip_grad=None", "param_scheduler=None")
    assert "The loss became" in finish(start(place, *options), code=1)
    assert "The loss became" in place.termination()["message"]
