"""Cuts the features of regions (RoIs) out of feature maps in float32, also where the network computes in 16 bits."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class Float32RoIExtractor(SingleRoIExtractor):
    """SingleRoIExtractor in float32; without mixed precision both are the same.

    SingleRoIExtractor rounds RoIs to the type of the features. In float16 a coordinate beyond 1024 is then off by up to
    half a pixel, and the area of a table overflows. mmcv's RoIAlign does not know bfloat16 at all.
    """

    def forward(self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None) -> Any:
        """`feats`: a feature map for each level; `rois`: shape (n, 5), each an image's index and a box in pixels.

        Returns float32 features of shape (n, channels, height, width).
        """
        with torch.autocast(rois.device.type, enabled=False):
            return super().forward(tuple(level.float() for level in feats), rois.float(), roi_scale_factor)
