"""`python3 -m training.train`, and `training-train` where the package is installed."""

from typing import NoReturn

from training.process.exit import end_process
from training.train.command import main


def run() -> NoReturn:
    """The command, and the end of the process with its exit code."""
    end_process(main())


if __name__ == "__main__":
    run()
