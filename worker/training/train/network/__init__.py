"""How a training changes mmdetection's networks: the same results in less memory, or with mixed precision.

Importing this registers its classes with mmengine; `bound_config.bind` writes them into the config that runs here. The
published config names mmdetection's own.
"""

from training.train.network.assigner import ChunkedMaxIoUAssigner as ChunkedMaxIoUAssigner
from training.train.network.optim_wrapper import CPUBfloat16OptimWrapper as CPUBfloat16OptimWrapper
from training.train.network.sampler import CategoryBalancedSampler as CategoryBalancedSampler
