"""The trained network: downloads a published model, checks it, and loads it when the first page needs it."""

import logging
from collections.abc import Callable
from pathlib import Path

from training.errors import ConfigError
from training.infer.predictor import PageDetector
from training.labels.categories import CATEGORIES
from training.model import bundle

logger = logging.getLogger(__name__)
LoadDetector = Callable[[bundle.VerifiedModel, str, int], PageDetector]


def download_model(model: bundle.Destination, folder: Path, *, config_uri: str | None = None) -> bundle.VerifiedModel:
    """Downloads a published model to `folder`, which needs no torch.

    Args:
        config_uri: its config, where that does not lie beside it.

    Raises ConfigError if it was trained on other classes than ours, NotFound and DataError if it is none.
    """
    found = bundle.download_verified(model, folder, config_uri=config_uri)
    if found.classes != tuple(CATEGORIES.values()):
        raise ConfigError(
            f"The model {found.uri} knows the classes {', '.join(found.classes)}; name one that was trained on "
            f"{', '.join(CATEGORIES.values())}."
        )
    if found.demo:
        logger.warning("%s is a demo's model, trained on a handful of pages: its predictions mean nothing", found.uri)
    return found


def load_network(model: bundle.VerifiedModel, device: str, batch_size: int) -> PageDetector:
    """Loads the trained network on a device (auto, cpu or cuda); `batch_size` counts pages."""
    from training.model.detector import Detector  # noqa: PLC0415  torch takes seconds to import, only now is it needed

    return Detector(model, device=device, batch_size=batch_size)
