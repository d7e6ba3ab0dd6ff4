"""Records of trainings, as short as a test wants them, and who keeps them."""

from datetime import UTC, datetime

from training.device.device import Device
from training.tracking.events import EndRecord, IterationRecord, Record, StartRecord, ValidationRecord

PER_EPOCH = 4


def at(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def start(second: int, *, after: int = 0, attempt: int = 1) -> StartRecord:
    return StartRecord(
        time=at(second),
        training_id="abc",
        attempt=attempt,
        dataset_digest="sha256:1",
        resumed_from=f"iteration_{after}.pth" if after else None,
        epoch=after // PER_EPOCH,
        iteration=after,
        total_epochs=5,
        iterations_per_epoch=PER_EPOCH,
        device=Device(name="CPU", count=1),
    )


def iteration(second: int, number: int, loss: float | None) -> IterationRecord:
    return IterationRecord(
        time=at(second),
        epoch=(number - 1) // PER_EPOCH + 1,
        iteration=number,
        loss=loss,
        losses={"loss_cls": loss},
        learning_rate=0.01,
        seconds=1.5,
        data_seconds=0.1,
    )


def validation(second: int, epoch: int, value: float) -> ValidationRecord:
    return ValidationRecord(time=at(second), epoch=epoch, iteration=epoch * PER_EPOCH, metrics={"bbox_mAP": value})


def end(second: int, number: int, result: str = "interrupted") -> EndRecord:
    return EndRecord.model_validate(
        {"time": at(second), "result": result, "iteration": number, "exit_code": 143, "reason": "Interrupted"}
    )


class Kept:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = 0

    def write(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed += 1
