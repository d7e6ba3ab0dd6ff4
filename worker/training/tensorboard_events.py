"""TensorBoard's event files: `tensorboard --logdir WORKING_DIR/logs/tensorboard`."""

from collections.abc import Iterator
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from training.metrics_log import FinalTestRecord, IterationRecord, Record, StartRecord, ValidationRecord


def scalars(record: Record) -> Iterator[tuple[str, float]]:
    """What there is to draw of a record, under the names that both TensorBoard and MLflow group by their first part."""
    if isinstance(record, IterationRecord):
        found = {
            "train/loss": record.loss,
            **{f"train/{name}": value for name, value in record.losses.items()},
            "train/learning_rate": record.learning_rate,
            "time/iteration_seconds": record.seconds,
            "time/data_seconds": record.data_seconds,
            "time/gpu_memory_bytes": record.gpu_memory_bytes,
        }
        yield from ((name, float(value)) for name, value in found.items() if value is not None)
    elif isinstance(record, ValidationRecord | FinalTestRecord):
        split = "val" if isinstance(record, ValidationRecord) else "test"
        yield from ((f"{split}/{name}", value) for name, value in record.metrics.items())


def step(record: Record) -> int | None:
    """The iteration that the record is about, where it is about one."""
    return None if isinstance(record, FinalTestRecord) else record.iteration


class TensorBoardEvents:
    """A sink of `training.recorder`; its writer has a thread of its own. Steps are iterations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._step = 0

    def write(self, record: Record) -> None:
        if isinstance(record, StartRecord):
            # What an attempt that was killed wrote after its last checkpoint is taken back.
            purge = record.iteration + 1 if record.iteration else None
            self._writer = SummaryWriter(str(self._folder), purge_step=purge, flush_secs=30)
        if self._writer is None:
            return
        number = step(record)
        self._step = self._step if number is None else number
        for name, value in scalars(record):
            self._writer.add_scalar(name, value, self._step)
        if not isinstance(record, IterationRecord):
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
