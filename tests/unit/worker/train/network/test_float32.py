"""What stays in float32 where the network computes in 16 bits."""

import pytest
import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

from training.train.network.float32 import keep_in_float32

# In float16 the first cell's top would be 1050 and its bottom 1060, and the table's area is beyond 65504.
ROIS = torch.tensor([[0.0, 100.2, 1050.3, 180.7, 1059.7], [0.0, 10.0, 10.0, 310.0, 310.0]])


def extractor() -> torch.nn.Module:
    made = SingleRoIExtractor({"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0}, 2, [4, 8, 16, 32])
    keep_in_float32(made)
    return made


def features(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    # Whole numbers up to 128, which all types can hold.
    return [torch.randint(0, 128, (1, 2, 1120 // s, 320 // s), generator=generator).to(dtype) for s in (4, 8, 16, 32)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_regions_are_cut_where_they_lie_whatever_type_the_features_have(dtype: torch.dtype) -> None:
    expected = extractor()(features(torch.float32), ROIS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = extractor()(features(dtype), ROIS)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_losses_get_the_outputs_of_the_heads_in_float32() -> None:
    rpn = RPNHead(num_classes=1, in_channels=4, feat_channels=4)
    head = Shared2FCBBoxHead(in_channels=4, fc_out_channels=8, num_classes=3)
    keep_in_float32(torch.nn.ModuleList([rpn, head]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert rpn.rpn_conv(torch.zeros(1, 4, 8, 8)).dtype == torch.bfloat16
        scores, deltas = rpn([torch.zeros(1, 4, 8, 8)] * 5)
        outputs = [*scores, *deltas, *head(torch.zeros(2, 4, 7, 7))]
    assert {output.dtype for output in outputs} == {torch.float32}
