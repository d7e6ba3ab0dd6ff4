"""Work that is repeated while something outside is away."""

import time

import pytest

from training.errors import Forbidden, Transient
from training.process.backoff import Backoff, retry_until

AT_ONCE = Backoff(first_s=0.001, most_s=0.001)


class Work:
    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_work_is_repeated_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(Transient("503"), Transient("504"))
    assert retry_until(time.monotonic() + 60, work, trouble="not published yet", backoff=AT_ONCE) == "done"
    assert caplog.text.count("not published yet, next try in 0 s: 50") == 2


def test_the_last_error_is_raised_when_the_time_is_over() -> None:
    with pytest.raises(Transient, match="503"):
        retry_until(time.monotonic(), Work(Transient("503"), Transient("504")), trouble="", backoff=AT_ONCE)


def test_what_does_not_pass_by_itself_is_raised_at_once() -> None:
    with pytest.raises(Forbidden):
        retry_until(time.monotonic() + 60, Work(Forbidden("403")), trouble="", backoff=AT_ONCE)
