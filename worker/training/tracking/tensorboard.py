"""Writes TensorBoard event files; show them by `tensorboard --logdir WORKING_DIR/logs/tensorboard`."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from training.tracking.events import IterationRecord, Record, StartRecord, scalars, step


class TensorBoardEvents:
    """A `training.tracking.recorder.Sink`; TensorBoard's writer works in a thread of its own. Steps are iterations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._step = 0

    def write(self, record: Record) -> None:
        if isinstance(record, StartRecord):
            # Hides what a killed attempt wrote after the checkpoint that this one resumes from.
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
