"""`python3 -m training.infer`."""

from training.infer.command import main
from training.process.exit import end_process

if __name__ == "__main__":
    end_process(main())
