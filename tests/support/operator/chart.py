"""The Helm chart, rendered by the real helm."""

from __future__ import annotations

import functools
import subprocess
from typing import Any

import yaml

from tests.support.paths import HACK, REPOSITORY

CHART = REPOSITORY / "charts" / "trainingrun-operator"
IMAGES = ("--set", "image.repository=registry.test/operator", "--set", "worker.image=registry.test/worker:1")
Rendered = dict[tuple[str, str], dict[str, Any]]


@functools.cache
def helm() -> str:
    binaries = subprocess.check_output([HACK / "cluster" / "build-binaries.sh"], text=True).strip()
    return f"{binaries}/helm"


def template(*arguments: str, namespace: str = "system") -> subprocess.CompletedProcess[str]:
    """What `helm template` makes of the chart with these values and no other."""
    command = [helm(), "template", "trainingrun-operator", str(CHART), "--namespace", namespace, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def render(*arguments: str, namespace: str = "system") -> Rendered:
    """The chart's objects by (kind, name), with images to install."""
    result = template(*IMAGES, *arguments, namespace=namespace)
    assert result.returncode == 0, result.stderr
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(result.stdout) if item}
