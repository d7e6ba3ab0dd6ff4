"""`python3 -m training.train`."""

from training.process.exit import end_process
from training.train.command import main

if __name__ == "__main__":
    end_process(main())
