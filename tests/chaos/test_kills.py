"""A training pod that is killed again and again ends with the very weights of one that nobody touched.

make chaos                  twenty kills: a quarter of an hour
make chaos CHAOS_KILLS=3    fewer
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.cluster.kubernetes_cli import Object, get, items, kubectl, wait_until, worker_processes
from tests.support.cluster.workspace import BUCKET, Workspace
from training.storage.uri import open_storage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
TERMINATIONS = max(1, KILLS // 5)
EPOCHS = KILLS + TERMINATIONS
LONGEST_LIFE_S = 15.0  # from the first iteration of an attempt: about an epoch and a half
STARTED = re.compile(r"Epoch\(train\) +\[(\d+)\]\[ *(\d+)/(\d+)\]")
CONTINUED = re.compile(r"continuing from \S+/(?:epoch|iteration)_(\d+)\.pth")


@dataclass
class Attempt:
    """What the log of a pod says: where it began and how far it came, in iterations over all epochs."""

    pod: str
    text: str
    iterations_per_epoch: int = 0
    first: int = 0
    last: int = 0

    def __post_init__(self) -> None:
        steps = [(int(epoch), int(step), int(of)) for epoch, step, of in STARTED.findall(self.text)]
        if steps:
            self.iterations_per_epoch = steps[0][2]
            counts = [(epoch - 1) * of + step for epoch, step, of in steps]
            self.first, self.last = counts[0] - 1, counts[-1]


@dataclass
class Story:
    """The attempts of a run, in order, and how each was ended."""

    attempts: list[Attempt] = field(default_factory=list)
    ended_by: list[signal.Signals] = field(default_factory=list)

    def repeated(self, kind: signal.Signals) -> list[int]:
        """The iterations that were made again after each end of that kind."""
        pairs = zip(self.attempts, self.attempts[1:], strict=False)
        return [
            max(0, before.last - after.first)
            for (before, after), ended_by in zip(pairs, self.ended_by, strict=False)
            if ended_by is kind
        ]


def training_run(workspace: Workspace, name: str) -> dict[str, Any]:
    run = workspace.run(name, epochs=EPOCHS)
    # A line a step: the log tells how far a pod came.
    run["spec"]["training"]["configOptions"] = ["default_hooks.logger.interval=1"]
    run["spec"]["retry"] = {"limit": 100, "backoff": "1s"}
    return run


def log_of(namespace: str, pod: str) -> str:
    result = subprocess.run(["kubectl", "-n", namespace, "logs", pod], capture_output=True, text=True, check=False)
    return result.stdout


def train_pod(workspace: Workspace, run: str, seen: set[str]) -> Object | None:
    for pod in items(workspace.namespace, "pods", f"training.badgerdoc.dev/run={run}"):
        stage = pod["metadata"]["labels"]["training.badgerdoc.dev/stage"]
        if stage == "train" and pod["metadata"]["name"] not in seen and pod["status"]["phase"] == "Running":
            return pod
    return None


def weights(workspace: Workspace, run: str, folder: Path) -> dict[str, torch.Tensor]:
    path = folder / f"{run}.pth"
    open_storage(f"s3://{BUCKET}/{workspace.namespace}/{run}").download_file("model.pth", path)
    return dict(torch.load(path, weights_only=True)["state_dict"])


def wait_for_success(workspace: Workspace, run: str) -> Object:
    kubectl("-n", workspace.namespace, "wait", f"trainingrun/{run}", "--for=condition=Complete", "--timeout=20m")
    return get(workspace.namespace, "trainingrun", run)


def ends_again_and_again(workspace: Workspace, run: str, ends: list[signal.Signals], rng: random.Random) -> Story:
    """Ends the training pod of the run at random times, each time in another way of `ends`."""
    story, seen = Story(), set[str]()
    for number, end in enumerate(ends):
        pod = wait_until(f"attempt {number + 1} runs", lambda: train_pod(workspace, run, seen), timeout_s=600)
        name = pod["metadata"]["name"]
        wait_until(f"attempt {number + 1} trains", lambda name=name: STARTED.search(log_of(workspace.namespace, name)))
        time.sleep(rng.uniform(0, LONGEST_LIFE_S))
        if end is signal.SIGKILL:
            # All at once, as when the node loses its power: no process has time for anything.
            for process in worker_processes(pod):
                os.kill(process, signal.SIGKILL)
        else:
            os.kill(worker_processes(pod)[0], signal.SIGTERM)
        wait_until(f"pod {name} ended", lambda name=name: has_ended(workspace, name), timeout_s=130)
        story.attempts.append(Attempt(name, log_of(workspace.namespace, name)))
        story.ended_by.append(end)
        seen.add(name)
        print(f"{number + 1} of {len(ends)}: {end.name} in iteration {story.attempts[-1].last}", flush=True)
    last = wait_until("the last attempt runs", lambda: train_pod(workspace, run, seen), timeout_s=600)
    wait_for_success(workspace, run)
    story.attempts.append(Attempt(last["metadata"]["name"], log_of(workspace.namespace, last["metadata"]["name"])))
    return story


def has_ended(workspace: Workspace, pod: str) -> bool:
    return get(workspace.namespace, "pod", pod)["status"]["phase"] in ("Failed", "Succeeded")


def test_a_training_that_is_killed_at_random_ends_with_the_weights_of_one_that_is_not(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl("apply", "-f", "-", stdin=training_run(workspace, "straight"))
    straight = wait_for_success(workspace, "straight")
    rng = random.Random(20)
    ends = [signal.SIGKILL] * KILLS + [signal.SIGTERM] * TERMINATIONS
    rng.shuffle(ends)
    kubectl("apply", "-f", "-", stdin=training_run(workspace, "killed"))
    with capsys.disabled():
        story = ends_again_and_again(workspace, "killed", ends, rng)
        killed = get(workspace.namespace, "trainingrun", "killed")
        interval = story.attempts[0].iterations_per_epoch
        repeated = story.repeated(signal.SIGKILL)
        print(
            f"{len(story.attempts)} attempts, {EPOCHS} epochs of {interval} iterations; iterations repeated after each "
            f"of {KILLS} kills: {repeated} (one checkpoint interval is {interval}), after each of {TERMINATIONS} "
            f"SIGTERMs: {story.repeated(signal.SIGTERM)}"
        )
    assert killed["status"]["phase"] == "Succeeded"
    assert killed["status"]["dataset"]["digest"] == straight["status"]["dataset"]["digest"]
    assert max(repeated) <= interval
    assert set(story.repeated(signal.SIGTERM)) == {0}
    one, other = weights(workspace, "straight", tmp_path), weights(workspace, "killed", tmp_path)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert killed["status"]["model"]["metrics"] == straight["status"]["model"]["metrics"]
