"""What the processes of one training, its ranks, agree on."""

import torch
from mmengine.dist import all_reduce, get_world_size


def any_rank(flag: bool) -> bool:
    """Whether the flag is set in any rank: the same answer in all of them, which must all ask."""
    if get_world_size() == 1:
        return flag
    value = torch.tensor(int(flag))
    all_reduce(value, op="max")
    return bool(value)
