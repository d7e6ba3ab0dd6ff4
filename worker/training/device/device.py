"""What a training computes on, as its reports, its log and the model's manifest name it. Pure."""

from collections.abc import Sequence
from typing import Any, Self

from training.camel_model import CamelModel
from training.device.gpu_facts import Gpu

GIBIBYTE = 1 << 30


class Device(CamelModel):
    """`count` ranks over all nodes, each on a GPU of its own with `memory_bytes` of memory, or on the CPU."""

    name: str
    count: int
    memory_bytes: int | None = None  # None: the CPU

    @classmethod
    def of(cls, gpus: Sequence[Gpu], *, ranks: int) -> Self:
        """The device of a training on these GPUs of this node; without any, the CPU."""
        if not gpus:
            return cls(name="CPU", count=ranks)
        return cls(name=gpus[0].name, count=ranks, memory_bytes=gpus[0].memory_bytes)

    @property
    def is_gpu(self) -> bool:
        return self.memory_bytes is not None

    def in_report(self) -> dict[str, Any]:
        """The device in the form of a progress report and of a manifest."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def __str__(self) -> str:
        """The device for people: `2 x NVIDIA L4, 22.0 GiB each`, or `CPU`."""
        name = self.name if self.count == 1 else f"{self.count} x {self.name}"
        if self.memory_bytes is None:
            return name
        return f"{name}, {self.memory_bytes / GIBIBYTE:.1f} GiB{' each' if self.count > 1 else ''}"
