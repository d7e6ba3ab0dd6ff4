"""Runs a published model: page images in, detections out. Importing this takes seconds, since it imports torch."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from training.device.choice import choose_gpus
from training.errors import ConfigError, CudaOOM, DataError, WorkerError, as_typed
from training.model import config, weights
from training.model.bundle import VerifiedModel
from training.model.detections import Detection, from_mmdetection
from training.model.smallest_page import padded, smallest_side
from training.process.container import available_cpus

logger = logging.getLogger(__name__)


class Detector:
    """A model's network on a device, ready to predict."""

    def __init__(self, model: VerifiedModel, *, device: str, batch_size: int) -> None:
        """Execute the model's config, build the network and load its weights. `device` is auto, cpu or cuda;
        `batch_size` counts pages.

        Raises GPUUnavailable if there is no such device, ConfigError if the network cannot be built, DataError if the
        weights do not fit the network or the classes do not match the manifest.
        """
        self._device = _find_device(device)
        self._batch_size = batch_size
        register_all_modules(init_default_scope=False)
        loaded = config.load(model.config)
        config.check_classes(loaded, model.classes)
        init_default_scope(loaded.get("default_scope", "mmdet"))
        content = weights.read(model.weights, what=f"The model {model.uri}")
        named = content.get("meta", {}).get("dataset_meta", {}).get("classes")
        if named is None or tuple(named) != model.classes:
            raise DataError(
                f"The model {model.uri} holds other classes than its manifest ({', '.join(model.classes)}); copy both "
                "again from where they were published."
            )
        try:
            self._network = revert_sync_batchnorm(MODELS.build(loaded["model"]))
            self._pipeline = Compose(padded(_test_pipeline(loaded), smallest_side(loaded["model"])))
        except WorkerError:
            raise
        except Exception as error:  # a config can make mmdetection raise anything
            raise ConfigError(
                f"The config of {model.uri} builds no network here ({type(error).__name__}: {error}); use the image "
                "that it was trained with."
            ) from error
        _fill(self._network, weights.state_of(content), what=model.uri)
        self._network.to(self._device).eval()

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        """The detections on each page, in pixels of its image, in the order of `images`.

        Raises whatever mmdetection does, and WorkerError if the GPU can predict nothing any more.
        """
        batches = [images[start : start + self._batch_size] for start in range(0, len(images), self._batch_size)]
        return [page for batch in batches for page in self._detect(batch)]

    def _detect(self, batch: Sequence[Path]) -> list[list[Detection]]:
        samples = [self._pipeline({"img_path": str(path), "img_id": index}) for index, path in enumerate(batch)]
        try:
            with torch.inference_mode():
                results = self._network.test_step(pseudo_collate(samples))
            return [from_mmdetection(result.pred_instances) for result in results]
        except Exception as error:
            self._check_gpu(error)
            if len(batch) == 1 or not isinstance(as_typed(error), CudaOOM):
                raise
        logger.warning("the GPU has no room for %d pages at once; they follow one by one", len(batch))
        return [found for page in batch for found in self._detect([page])]

    def _check_gpu(self, error: Exception) -> None:
        """Raises WorkerError if `error` left the GPU unusable: after most faults each further call fails, too."""
        if self._device.type != "cuda":
            return
        try:
            torch.cuda.synchronize()
        except RuntimeError:
            raise as_typed(error) from error
        torch.cuda.empty_cache()  # of a page that did not fit: the next one may need it in other pieces


def _find_device(name: str) -> torch.device:
    gpus = choose_gpus(name, asked=1)
    if gpus:
        logger.info("predicting on %s", gpus[0].name)
        return torch.device("cuda")
    threads = int(os.environ.get("OMP_NUM_THREADS") or available_cpus())
    torch.set_num_threads(threads)
    logger.info("predicting on the CPU with %d threads", threads)
    return torch.device("cpu")


def _test_pipeline(loaded: Any) -> list[Any]:
    """The config's steps that prepare a page for the network, except those that load labels."""
    dataset = loaded["test_dataloader"]["dataset"]
    while "dataset" in dataset:
        dataset = dataset["dataset"]
    return [step for step in dataset["pipeline"] if "LoadAnnotations" not in str(step["type"])]


def _fill(network: Any, state: dict[str, torch.Tensor], *, what: str) -> None:
    """Load the weights into the network. Raises DataError if names or shapes differ from the network's."""
    wanted = network.state_dict()
    if set(state) != set(wanted) or len(weights.fitting(state, wanted)) != len(wanted):
        raise DataError(
            f"The weights {what} are not those of its config's network; publish the model again with training.train."
        )
    network.load_state_dict(state)
