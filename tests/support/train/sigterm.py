"""A signal at a chosen point of a training."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from training.train.hooks.progress import ProgressHook


@contextmanager
def sigterm_in_iteration(number: int) -> Iterator[None]:
    """Sends SIGTERM to this process in the iteration, counted from 1, of a training that is run in it."""
    original = ProgressHook.after_train_iter

    def send_sigterm(self: ProgressHook, runner: Any, *arguments: Any, **keywords: Any) -> None:
        original(self, runner, *arguments, **keywords)
        if runner.iter + 1 == number:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressHook, "after_train_iter", send_sigterm)
        yield
