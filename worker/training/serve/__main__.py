"""`python3 -m training.serve`, and `training-serve` where the package is installed."""

from typing import NoReturn

from training.process.exit import end_process
from training.process.signals import listen_for_stop


def run() -> NoReturn:
    """Runs the command and ends the process with its exit code."""
    listen_for_stop()
    from training.serve.command import main  # noqa: PLC0415  takes seconds, in which SIGTERM must be heard

    end_process(main())


if __name__ == "__main__":
    run()
