"""What every Job gets from the operator's installation."""

from __future__ import annotations

from dataclasses import dataclass

from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


@dataclass(frozen=True, kw_only=True)
class JobDefaults:
    """What the operator was installed with. Without a gateway URL the workers report nowhere."""

    image: str = ""
    # Empty: preprocess runs in the same image as training.
    preprocess_image: str = ""
    image_pull_policy: str = "IfNotPresent"
    gateway_url: str = ""
    gateway_ca: str = ""


def worker_image(run: Run, stage: Stage, defaults: JobDefaults) -> str:
    """What the run started with, also when the operator was installed anew with another default since.

    An image that the run names for its workers is that of both stages, unless it names another one for preprocess.
    """
    if run.status.image:
        started_with = run.status.preprocess_image if stage is Stage.PREPROCESS else None
        return started_with or run.status.image
    image = run.spec.image or defaults.image
    if stage is Stage.PREPROCESS:
        return run.spec.preprocess.image or run.spec.image or defaults.preprocess_image or image
    return image
