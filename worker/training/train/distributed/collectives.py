"""How the ranks of a training communicate: they join a process group, combine flags, get results of the main rank."""

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from mmengine.dist import all_reduce, broadcast_object_list, get_world_size, is_main_process
from torch.distributed import TCPStore, init_process_group  # type: ignore[attr-defined]

from training.errors import LostContact
from training.train.distributed.topology import Topology

logger = logging.getLogger(__name__)
# For one collective operation: the others may wait while the main rank finds a checkpoint and downloads it.
CONTACT_TIMEOUT = timedelta(minutes=30)
# A collective that fails or hangs is found by a thread of NCCL's process group (ProcessGroupNCCL.hpp of torch).
NCCL_DEFAULTS = {
    # CleanUpOnly: abort the communicator, so that the next collective raises an exception, which says what happened in
    # the termination message. The default ends the process by SIGABRT, before it can tell which rank failed and why.
    # What the failed collective has left in the gradients must not be stored: see `check_contact`.
    "TORCH_NCCL_ASYNC_ERROR_HANDLING": "2",
    # An error of CUDA reaches the main thread too, which tells of it, while that thread would only end the process.
    "TORCH_NCCL_RETHROW_CUDA_ERRORS": "0",
}
_Value = TypeVar("_Value")


def meeting_point(topology: Topology) -> Any:
    """The TCPStore of torch through which the ranks find each other; the main rank opens it, the others connect.

    Its `port` is the one really used, also if that of the topology is 0.
    """
    return TCPStore(
        topology.address, topology.port, is_master=topology.is_main, wait_for_workers=False, timeout=CONTACT_TIMEOUT
    )


def join(topology: Topology, store: Any, *, has_gpu: bool) -> None:
    """Join the training's process group as a rank, by NCCL if each rank has a GPU, else by gloo."""
    for name, value in NCCL_DEFAULTS.items():
        os.environ.setdefault(name, value)
    # mmengine reads these variables.
    os.environ.update(
        RANK=str(topology.rank),
        WORLD_SIZE=str(topology.ranks),
        LOCAL_RANK=str(topology.process),
        LOCAL_WORLD_SIZE=str(topology.processes),
    )
    if topology.nodes == 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    init_process_group(
        "nccl" if has_gpu else "gloo",
        store=store,
        rank=topology.rank,
        world_size=topology.ranks,
        timeout=CONTACT_TIMEOUT,
    )
    logger.info("rank %d of %d", topology.rank, topology.ranks)


def any_rank(flag: bool) -> bool:
    """Whether the flag is true in at least one rank. Every rank must call this, and all get the same answer."""
    if get_world_size() == 1:
        return flag
    value = torch.tensor(int(flag))
    all_reduce(value, op="max")
    return bool(value)


def check_contact() -> None:
    """Raise torch's error if a rank has lost contact. Every rank must call this before what it computed is stored.

    With NCCL, a step goes on with incomplete gradients when their exchange fails, and only the next collective raises.
    """
    any_rank(False)


def from_main(make: Callable[[], _Value]) -> _Value:
    """Call `make` in the main rank and return its result in all ranks, which must all call this. If `make` raises, the
    other ranks raise LostContact.
    """
    if get_world_size() == 1:
        return make()
    message: list[Any] = [None, None]
    if is_main_process():
        try:
            message = [True, make()]
        except BaseException:
            broadcast_object_list([False, None])
            raise
    broadcast_object_list(message)
    if not message[0]:
        raise LostContact("The main training process failed.")
    value: _Value = message[1]
    return value
