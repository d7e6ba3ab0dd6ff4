"""Mixed precision on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUBfloat16OptimWrapper(OptimWrapper):
    """AmpOptimWrapper with bfloat16, for a CPU: mmengine's own refuses to be built without a GPU."""

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[Any]:
        """The context in which the network computes its losses."""
        with super().optim_context(model), torch.autocast("cpu", dtype=torch.bfloat16):
            yield
