"""What is recorded of the base weights that a training began with: in its checkpoints, manifest and reports."""

from dataclasses import asdict, dataclass
from typing import Any

RANDOM_WEIGHTS = (
    "The training began with random weights, from which it needs many pages and epochs; name base weights in loadFrom "
    "(--load-from) to need fewer."
)


@dataclass(frozen=True, kw_only=True)
class BaseWeights:
    """The base weights that a training began with, perhaps in an earlier attempt."""

    uri: str
    filled: int  # of the network's tensors
    of: int
    has_statistics: bool  # whether they brought what batch normalization had learned

    def in_checkpoint(self) -> dict[str, Any]:
        """In the form that a checkpoint's meta holds under `training.base_weights`."""
        return asdict(self)

    def in_manifest(self) -> dict[str, Any]:
        """In the form of a model's manifest (docs/architecture.md, "The model")."""
        return {"uri": self.uri, "filled": self.filled, "of": self.of}


def in_report(base: BaseWeights | None) -> dict[str, Any]:
    """In the form of a progress report (docs/architecture.md, "A progress report"); None means random weights."""
    if base is None:
        return {"loaded": False, "message": RANDOM_WEIGHTS}
    message = f"The training began with {base.uri}, which fills {base.filled:,} of {base.of:,} tensors of the network."
    return {"loaded": True, "message": message}
