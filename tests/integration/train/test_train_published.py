"""Which weights a training publishes: the last ones or the best, never those of a training that diverged."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator

from tests.support.train.overflow import overflowing_config
from tests.support.train.place import ITERATIONS_PER_EPOCH, Place, differing
from training.train import command as train
from training.train.hooks.progress import ProgressHook

pytestmark = pytest.mark.integration

Weights = dict[str, torch.Tensor]


@pytest.fixture
def averaging(place: Place) -> list[str]:
    """Options for a config whose weights are averaged over the iterations."""
    path = place.root / "averaging.py"
    path.write_text(f'_base_ = [{str(place.config)!r}]\ncustom_hooks = [dict(type="EMAHook", momentum=0.5)]\n')
    return ["--config", str(path)]


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the bbox_mAP of the coming validations; later evaluations tell what they measure."""
    values: list[float] = []
    original = Evaluator.evaluate

    def evaluate(self: Evaluator, size: int) -> Any:
        found = original(self, size)
        return {**found, "coco/bbox_mAP": values.pop(0)} if values else found

    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    return lambda *next_ones: values.extend(next_ones)


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> Iterator[Weights]:
    """The weights and buffers that the last test evaluated."""
    found: Weights = {}

    def remember(_: ProgressHook, runner: Any, *_arguments: Any, **_keywords: Any) -> None:
        found.update({name: tensor.clone() for name, tensor in runner.model.state_dict().items()})

    monkeypatch.setattr(ProgressHook, "before_test_iter", remember)
    return found


def weights_in(path: Path) -> Weights:
    return dict(torch.load(path, weights_only=True)["state_dict"])


def test_the_last_or_the_best_weights_are_tested_and_published_and_a_better_epoch_is_told(
    place: Place,
    averaging: list[str],
    validations: Callable[..., None],
    tested: Weights,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAINING_RUN_UID", "run-1")
    validations(0.5, 0.25)
    assert train.main(place.arguments(*averaging)) == 0
    last, manifest, told = weights_in(place.checkpoints / "epoch_2.pth"), place.manifest(), place.termination()["model"]
    assert (manifest["publish"], manifest["epoch"], manifest["epochs"]) == ("last", 2, 2)
    assert differing(place.weights(), last) == []
    assert differing(tested, last) == []
    assert told["epoch"] == 2
    (warning,) = told["warnings"]
    assert warning["reason"] == "BestWasBetter"
    assert warning["message"].startswith("Epoch 1 was better by .250 bbox_mAP on val (.500 instead of .250)")
    assert warning["message"] in place.model.with_name("model.pth.report.html").read_text()

    # What an attempt finds published already, it tells as the first one did.
    place.termination_log.unlink()
    assert train.main(place.arguments(*averaging)) == 0
    assert place.termination()["model"] == told

    # An attempt that has nothing left to train publishes the best all the same.
    tested.clear()
    other = str(place.root / "best" / "model.pth")
    assert train.main(place.arguments(*averaging, "--publish=best", "--resume-from=auto", "--model_output", other)) == 0
    best, told = weights_in(place.checkpoints / "epoch_1.pth"), place.termination()["model"]
    assert differing(weights_in(Path(other)), best) == []
    assert differing(tested, best) == []
    assert len(differing(best, last)) > len(best) / 2
    assert (told["epoch"], told["warnings"]) == (1, [])
    assert place.termination()["progress"]["metrics"][0] == {"name": "bbox_mAP", "value": "0.5000"}


def test_a_gradient_that_overflows_in_the_last_iteration_of_an_epoch_leaves_no_checkpoint(place: Place) -> None:
    last = 2 * ITERATIONS_PER_EPOCH
    path = overflowing_config(place, iteration=last)
    assert train.main(place.arguments("--config", str(path), epochs=3)) == 1
    message = place.termination()["message"]
    assert re.search(rf"such as \S+, were NaN or infinite after iteration {last}, with a finite loss", message)
    assert f"the last good checkpoint is {place.checkpoints / 'epoch_1.pth'}." in message
    assert sorted(item.name for item in place.checkpoints.glob("*.pth")) == ["epoch_1.pth"]
    assert all(tensor.isfinite().all() for tensor in weights_in(place.checkpoints / "epoch_1.pth").values())
    assert not place.model.exists()
