"""Keeps boxes, scores and losses in float32 where the network computes in 16 bits."""

from typing import Any

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.roi_extractors.base_roi_extractor import BaseRoIExtractor


def keep_in_float32(network: torch.nn.Module) -> None:
    """Give the network's RoI extractors their features, and the losses the heads' outputs, in float32. Without mixed
    precision nothing changes.

    mmdetection's RoI extractor rounds RoIs to the type of the features: in float16 a coordinate beyond 1024 is then off
    by up to half a pixel, and the area of a table overflows. mmcv's RoIAlign and NMS do not know bfloat16 at all.
    """
    for module in network.modules():
        if isinstance(module, BaseRoIExtractor):
            module.register_forward_pre_hook(_float32_inputs)
        elif isinstance(module, BaseDenseHead | BBoxHead):
            module.register_forward_hook(_float32_outputs)


def _float32_inputs(_: torch.nn.Module, inputs: tuple[Any, ...]) -> Any:
    return _float32(inputs)


def _float32_outputs(_: torch.nn.Module, __: tuple[Any, ...], outputs: Any) -> Any:
    return _float32(outputs)


def _float32(value: Any) -> Any:
    """The value with all its tensors, also those in tuples and lists, in float32."""
    if isinstance(value, torch.Tensor):
        return value.float()
    if isinstance(value, tuple | list):
        return type(value)(_float32(item) for item in value)
    return value
