"""Real trainings with mixed precision: bfloat16, as far as a CPU knows it."""

import functools
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim.optimizer import amp_optimizer_wrapper

from tests.support.train.place import ITERATIONS_PER_EPOCH, Place, differing
from tests.support.train.sigterm import sigterm_in_iteration
from training.train import bound_config
from training.train import command as train

pytestmark = pytest.mark.integration

STOP_AT = ITERATIONS_PER_EPOCH + 1


def test_a_training_in_bfloat16_is_stopped_and_continues_to_the_very_same_weights(
    straight: Place, place: Place
) -> None:
    assert train.main(place.arguments("--amp", "bf16")) == 0
    uninterrupted = place.weights()
    assert {value.dtype for value in uninterrupted.values()} == {torch.float32, torch.int64}
    assert differing(uninterrupted, straight.weights())
    published = Config.fromfile(str(place.model.with_name("model.pth.config.py")))
    assert published.optim_wrapper.type == "AmpOptimWrapper"
    assert published.model.train_cfg.rpn.assigner.type == "MaxIoUAssigner"

    again = ("--amp", "bf16", "--checkpoint-output", str(place.root / "again"))
    place.model.with_name("model.pth.manifest.json").unlink()
    with sigterm_in_iteration(STOP_AT):
        assert train.main(place.arguments(*again)) == 143
    assert train.main(place.arguments(*again, "--resume-from", "auto")) == 0
    assert differing(place.weights(), uninterrupted) == []


def test_the_scale_of_the_loss_is_continued(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # mmengine's wrapper, which is for GPUs, on a CPU. The scale doubles after each iteration.
    scaler = functools.partial(torch.amp.GradScaler, "cpu")
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", scaler)
    monkeypatch.setattr(bound_config, "_bind_precision_to_cpu", lambda _: None)
    options = ("type=AmpOptimWrapper", "dtype=bfloat16", "loss_scale.init_scale=4.0", "loss_scale.growth_interval=1")
    arguments = ("--resume-from", "auto", "--cfg-options", *(f"optim_wrapper.{option}" for option in options))

    def scale(name: str) -> Any:
        checkpoint = torch.load(place.checkpoints / f"{name}.pth", weights_only=True)
        return checkpoint["optimizer"]["loss_scaler"]["scale"]

    with sigterm_in_iteration(STOP_AT):
        assert train.main(place.arguments(*arguments)) == 143
    assert scale(f"iteration_{STOP_AT}") == 4.0 * 2**STOP_AT
    assert train.main(place.arguments(*arguments)) == 0
    assert scale("epoch_2") == 4.0 * 2 ** (2 * ITERATIONS_PER_EPOCH)


def test_float16_without_a_gpu_is_refused_at_once(place: Place) -> None:
    assert train.main(place.arguments("--amp", "fp16")) == 64
    assert "float16 needs a GPU" in place.termination()["message"]
