"""What the typed data of spec, status, reports and termination messages have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def _read_time(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _in_utc(value: datetime) -> datetime:
    """The same moment in UTC, where it is one that `metav1.Time` and every time zone can say.

    Raises:
        ValueError: it is before 1970 or after 9999 (pydantic turns it into its own error).
    """
    try:
        moment = value if value.tzinfo is UTC else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is not within the years 1970 to 9999") from None
    if moment.year < 1970:
        raise ValueError("the time is not within the years 1970 to 9999")
    return moment


def format_time(value: datetime) -> str:
    """`metav1.Time`: UTC, whole seconds, with a Z."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


Time = Annotated[
    datetime, BeforeValidator(_read_time), AfterValidator(_in_utc), PlainSerializer(format_time, return_type=str)
]


class Model(BaseModel):
    """Immutable, camelCase outside, and tolerant of fields it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself: it never changes. pydantic copies a field's default each time that the field is not given."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain data as the API server takes it; what is not set is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
