"""What a run's message says of the deadline that passes next."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from trainingrun_operator.core.conditions.conditions import MESSAGE_BYTES, Summary, clip
from trainingrun_operator.core.resource.base import format_time

_NOTE = re.compile(r"; the (?:attempt|run) fails at \S+Z \(spec\.deadlines\.\w+\)$")


def announced(summary: Summary, *, start: datetime | None, active: datetime | None) -> Summary:
    """The summary with the earlier of two deadlines, which is never cut off. A time, and not how long until then: so
    the message changes as seldom as the deadline.
    """
    notes = {
        at: f"; the {what} fails at {format_time(at)} (spec.deadlines.{name})"
        for at, what, name in ((active, "run", "active"), (start, "attempt", "start"))
        if at is not None
    }
    if not notes:
        return summary
    note = notes[min(notes)]
    return replace(summary, message=clip(summary.message, MESSAGE_BYTES - len(note)) + note)


def unannounced(message: str) -> str:
    """The message without that."""
    return _NOTE.sub("", message)
