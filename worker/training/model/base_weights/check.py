"""The command `python3 -m training.model.base_weights.check`: whether a file can be the base weights of a config.

Prints how much of the config's network the file fills, and what it leaves unfilled. The exit code is that of a training
that is given this file as `--load-from`: 0 if it would start, 64 if it would refuse.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.model import config, weights
from training.model.base_weights import builtin
from training.model.base_weights.fit import Fit, fit
from training.model.base_weights.network import network_state
from training.options import OptionParser
from training.process.exit import end_process, run_command
from training.storage.uri import open_parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code of docs/architecture.md."""
    parser = OptionParser(
        prog="python3 -m training.model.base_weights.check",
        description="Says how much of a config's network a file of weights fills, and whether a training would start.",
    )
    parser.add_argument("weights", metavar="MODEL", help="as of --load-from: a path, s3:// or builtin://name")
    parser.add_argument(
        "--config", default=config.DEFAULT_CONFIG, metavar="CONFIG", help="as in training.train (default: %(default)s)"
    )

    def command() -> None:
        options = parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))
        with tempfile.TemporaryDirectory() as folder:
            found = judge(options.weights, options.config, scratch=Path(folder))
        for line in described(found):
            print(line)
        found.check(options.weights)
        print(f"A training with --config {options.config} can start from {options.weights}.")

    return run_command(command)


def judge(uri: str, config_name: str, *, scratch: Path) -> Fit:
    """Download weights and config and fit one to the other. Raises what a training raises for the same two."""
    config_file = config.find(config_name, download_to=scratch / "config")
    storage, key = open_parent(builtin.located(uri))
    path = scratch / "base.pth"
    storage.download_file(key, path)
    weights.allow_mmengine_checkpoints()
    state = weights.state_of(weights.read(path, what=uri))
    return fit(state, network_state(config.load(config_file, base_weights=True), name=config_file.name))


def described(found: Fit) -> Iterator[str]:
    """The lines that the command prints about a fit."""
    yield f"{found.network} tensors of the network are filled,"
    yield f"{found.backbone} tensors of its backbone,"
    yield f"{found.statistics} layers of batch normalization with their statistics."
    for names, reason in ((found.absent, "not in the file"), (found.misshapen, "of another shape in the file")):
        for part, number in Counter(_part(name) for name in names).items():
            yield f"  {number:,} of {part} are {reason}"


def _part(name: str) -> str:
    """The part of the network that a tensor belongs to, such as `backbone.stage3` or `roi_head.bbox_head`."""
    return ".".join(name.split(".")[:2])


if __name__ == "__main__":
    end_process(main())
