"""`python3 -m training.preprocess`."""

from training.preprocess.command import main
from training.process.exit import end_process

if __name__ == "__main__":
    end_process(main())
