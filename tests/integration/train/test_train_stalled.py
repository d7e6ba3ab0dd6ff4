"""Real trainings that hang: their stacks are in the log, nothing stored is lost, and the next attempt continues."""

import os
import subprocess
import sys

import pytest

from tests.support.train.place import ITERATIONS_PER_EPOCH, Place, differing
from training.train import command as train

pytestmark = pytest.mark.integration

# A training that hangs in the fifth batch, after the first epoch's checkpoint and after an evaluation that takes longer
# than a batch may.
HANGS = """
import sys, threading, time
from mmengine.evaluator import Evaluator
from training.process import watchdog
from training.train import command
from training.train.hooks.progress import ProgressHook

watchdog.FIRST_STEP_S, watchdog.LINGER_S = 40.0, 3.0
after_train_iter = ProgressHook.after_train_iter

def wait_for_what_never_comes():
    threading.Event().wait()

def hang(self, runner, *arguments, **keywords):
    after_train_iter(self, runner, *arguments, **keywords)
    if runner.iter + 1 == {iteration}:
        wait_for_what_never_comes()

ProgressHook.after_train_iter = hang
evaluate = Evaluator.evaluate

def take_long(self, size):
    time.sleep({evaluation_s})
    return evaluate(self, size)

Evaluator.evaluate = take_long
command.start_logging = lambda level: None
sys.exit(command.main())
"""


def run(place: Place, *more: str, deadline_s: int) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "TRAINING_TERMINATION_LOG": str(place.termination_log),
        "TRAINING_STEP_DEADLINE_S": str(deadline_s),
    }
    code = HANGS.format(iteration=ITERATIONS_PER_EPOCH + 2, evaluation_s=deadline_s + 3)
    command = [sys.executable, "-c", code, *place.arguments(*more)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_a_training_that_hangs_in_a_batch_shows_where_and_continues_to_the_very_same_weights(
    straight: Place, place: Place
) -> None:
    result = run(place, deadline_s=15)
    assert result.returncode == 124, result.stderr[-3000:]
    assert "in wait_for_what_never_comes" in result.stderr
    assert "the stacks of all threads follow" in result.stderr
    message = place.termination()
    assert (message["exitCode"], message["reason"]) == (124, "Stalled")
    assert "No step was made within 15 s" in message["message"]
    assert f"{place.checkpoints}/epoch_1.pth continues it" in message["message"]
    assert message["progress"]["resumePoints"][-1]["epoch"] == 1

    assert train.main(place.arguments("--resume-from", "auto")) == 0
    assert differing(place.weights(), straight.weights()) == []


def test_all_ranks_of_a_training_that_hangs_show_their_stacks(place: Place) -> None:
    options = ("--processes", "2", "--cfg-options", "train_dataloader.batch_size=1")
    result = run(place, *options, deadline_s=15)
    assert result.returncode == 124, result.stderr[-3000:]
    assert result.stderr.count("the stacks of all threads follow") == 2
    assert "in wait_for_what_never_comes" in result.stderr
    assert place.termination()["reason"] == "Stalled"
