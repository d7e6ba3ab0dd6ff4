"""Runs one of the three commands, reports its failure and returns its exit code."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from training.errors import Failure, describe_failure, one_line


def run_command(
    command: Callable[[], None],
    *,
    is_verbose: Callable[[], bool] = lambda: False,
    on_failure: Callable[[Failure], None] | None = None,
) -> int:
    """Runs a command and returns the process's exit code: 0, or that of the exception it raised.

    Prints one line to stderr for a failure, and the traceback if the exception was unexpected or `is_verbose()`.
    `on_failure` writes the termination message; what it raises is printed and does not hide the command's failure.
    SystemExit (`--help`) passes through.
    """
    try:
        command()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the outermost frame
        failure = describe_failure(error)
        if is_verbose() or not failure.expected:
            traceback.print_exception(error)
        print(f"error: {failure.reason}: {failure.message}", file=sys.stderr, flush=True)
        try:
            if on_failure is not None:
                on_failure(failure)
        except BaseException as second:  # noqa: BLE001 - even SIGTERM must not replace the command's own failure
            print(f"error: the failure could not be reported: {one_line(repr(second))}", file=sys.stderr, flush=True)
        return failure.exit_code
    return 0


def end_process(code: int) -> NoReturn:
    """End the process with a command's exit code. After a failure, do not wait for threads that hang in a request."""
    if code == 0:
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
