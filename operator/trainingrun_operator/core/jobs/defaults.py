"""What every Job gets from the operator's installation."""

from __future__ import annotations

from dataclasses import dataclass

from trainingrun_operator.core.resource.run import Run


@dataclass(frozen=True, kw_only=True)
class JobDefaults:
    """What the operator was installed with. Without a gateway URL the workers report nowhere."""

    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    gateway_url: str = ""
    gateway_ca: str = ""


def worker_image(run: Run, defaults: JobDefaults) -> str:
    """What the run started with, also when the operator was installed anew with another default since."""
    return run.status.image or run.spec.image or defaults.image
