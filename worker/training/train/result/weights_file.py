"""Gives every rank the weights to publish, and writes the model's file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.dist import broadcast
from mmengine.runner import Runner

from training.model import weights
from training.train.distributed.topology import Topology
from training.train.hooks.divergence import LastGood, require_finite
from training.train.hooks.readings import network_of
from training.train.plan import TrainingPlan


def settle_weights(runner: Runner, chosen: Mapping[str, torch.Tensor], last_good: LastGood) -> None:
    """Put the weights to publish into the network of every rank, so that the test evaluates what is published.

    They are those of the main rank: `chosen`, the state of a checkpoint's network, or the last ones if that is empty.
    As in a checkpoint, hooks may replace the last ones: EMAHook puts in their moving average. Raises DivergenceError if
    they are not finite.
    """
    network = network_of(runner)
    if not chosen:
        checkpoint = {"meta": {}, "state_dict": network.state_dict(), "message_hub": runner.message_hub.state_dict()}
        runner.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        chosen = checkpoint["state_dict"]
    network.load_state_dict(chosen)
    for tensor in network.state_dict().values():
        broadcast(tensor)
    require_finite(network.state_dict(), last_good, iteration=runner.iter)


def write_weights(
    plan: TrainingPlan, runner: Runner, classes: tuple[str, ...], topology: Topology, *, epoch: int
) -> Path:
    """Write the model's file, in the main rank only, and return its path. The file holds tensors and plain data, which
    torch's safe loader and mmdet's init_detector can read. `epoch` is that of the weights. Raises Transient if the disk
    is full.
    """
    path = plan.scratch / "model.pth"
    if topology.is_main:
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in network_of(runner).state_dict().items()}
        meta = {"dataset_meta": {"classes": list(classes)}, "epoch": epoch, "seed": plan.seed}
        weights.save({"meta": meta, "state_dict": state}, path)
    return path
