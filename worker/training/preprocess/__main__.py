"""`python3 -m training.preprocess`, and `training-preprocess` where the package is installed."""

from typing import NoReturn

from training.preprocess.command import main
from training.process.exit import end_process


def run() -> NoReturn:
    """Runs the command and ends the process with its exit code."""
    end_process(main())


if __name__ == "__main__":
    run()
