"""When the statistics of batch normalization stop changing."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmdet.models.backbones import ResNet

from training.train.hooks.norm_statistics import NormStatisticsHook


@pytest.mark.parametrize(("epoch", "learns_on"), [(0, True), (1, True), (2, False), (3, False)])
def test_statistics_are_learned_up_to_an_epoch_and_weights_ever_after(epoch: int, learns_on: bool) -> None:
    network = ResNet(18, base_channels=4, stem_channels=4, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,))
    network.norm_eval = False
    runner: Any = SimpleNamespace(epoch=epoch, model=network)
    NormStatisticsHook(2).before_train_epoch(runner)
    network.train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    (features,) = network(torch.rand(1, 3, 32, 32))
    features.sum().backward()
    is_changed = [not torch.equal(buffer, before[name]) for name, buffer in network.named_buffers()]
    assert set(is_changed) == {learns_on}
    assert network.bn1.weight.grad is not None
