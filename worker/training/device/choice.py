"""Chooses what to compute on: the value of `--device`, and whether the GPUs that were asked for can be used.

Imports no torch: the GPUs are looked at by a process of its own, which may hang or die of them.
"""

import logging
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

from training.device.driver import has_driver_library
from training.device.gpu_facts import Gpu, GpuFacts, usable_gpus, why_unusable
from training.errors import GPUUnavailable

logger = logging.getLogger(__name__)
DEVICES = ("auto", "cuda", "cpu")
DEVICE_HELP = "cuda: GPUs, or fail if they cannot be used; cpu; auto: a GPU if there is one, else the CPU"
LOOK_DEADLINE_S = 90.0


def look() -> GpuFacts:
    """The facts about this container's GPUs. Raises GPUUnavailable if they hang or end the process that looks."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_look, args=(writer,), name="GPUs", daemon=True)
    process.start()
    writer.close()
    try:
        if not reader.poll(LOOK_DEADLINE_S):
            raise GPUUnavailable(
                f"The GPUs do not answer within {LOOK_DEADLINE_S:g} s; check them with nvidia-smi on the node."
            )
        found: GpuFacts | Exception = reader.recv()
    except EOFError:
        process.join()
        raise GPUUnavailable(
            f"Looking at the GPUs ended the process with exit code {process.exitcode}; check the node's driver."
        ) from None
    finally:
        process.kill()
        reader.close()
    if isinstance(found, Exception):
        raise found
    return found


def choose_gpus(
    device: str,
    *,
    asked: int | None,
    look: Callable[[], GpuFacts] = look,
    has_driver: Callable[[], bool] = has_driver_library,
) -> tuple[Gpu, ...]:
    """The GPUs to compute on; none for the CPU. `device` is one of DEVICES, `asked` the number of GPUs that are needed,
    None for all that can be seen.

    Raises GPUUnavailable if fewer can be used than were asked for. With `auto` that is no failure if none can be used.
    """
    if device == "cpu":
        return ()
    if device == "auto" and not has_driver():  # known without torch, which takes seconds to import
        logger.warning("There is no NVIDIA driver here; computing on the CPU.")
        return ()
    facts = look()
    count = asked or max(1, len(facts.gpus))
    found = usable_gpus(facts, count)
    if len(found) == count:
        return found
    if device == "auto" and not found:
        logger.warning("Computing on the CPU. %s", why_unusable(facts, count))
        return ()
    raise GPUUnavailable(why_unusable(facts, count))


def _look(answer: Connection) -> None:
    """The main function of the process that looks at the GPUs."""
    try:
        from training.device import probe  # noqa: PLC0415  imports torch, in this process alone

        answer.send(probe.look())
    except Exception as error:  # noqa: BLE001  the parent raises it
        answer.send(error)
