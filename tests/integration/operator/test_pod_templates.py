"""Jobs of the golden files and of the examples, and their pods, before an API server that enforces `restricted`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster.kube import Kube, KubeError, Object
from tests.support.paths import REPOSITORY
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

pytestmark = pytest.mark.integration

GOLDEN = sorted((REPOSITORY / "tests/unit/operator/core/jobs/golden").glob("*.yaml"))
# What must be there before a pod that names it.
_NAMES_OF_THE_CLUSTER = ("serviceAccountName", "runtimeClassName", "priorityClassName")


@pytest.fixture(scope="module")
def restricted(kube: Kube) -> Any:
    name = kube.create_namespace()
    yield name
    kube.delete(f"/api/v1/namespaces/{name}")


def golden(path: Path) -> Object:
    job: Object = yaml.safe_load(path.read_text())
    del job["metadata"]["namespace"]
    return job


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_api_server_takes_the_job(kube: Kube, restricted: str, path: Path) -> None:
    jobs = f"/apis/batch/v1/namespaces/{restricted}/jobs?dryRun=All&fieldValidation=Strict"
    stored = kube.create(jobs, golden(path))
    wanted, found = (job["spec"]["template"]["spec"] for job in (golden(path), stored))
    for kind in ("resourceClaims", "volumes", "initContainers"):
        assert len(found.get(kind, [])) == len(wanted.get(kind, [])), kind


def pod_of(job: Object) -> Object:
    template = job["spec"]["template"]
    spec = {name: value for name, value in template["spec"].items() if name not in _NAMES_OF_THE_CLUSTER}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "golden"}, "spec": spec}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_pod_security_admits_the_pod(kube: Kube, restricted: str, path: Path) -> None:
    pods = f"/api/v1/namespaces/{restricted}/pods?dryRun=All&fieldValidation=Strict"
    pod = pod_of(golden(path))
    kube.create(pods, pod)
    if "initContainers" in pod["spec"]:
        del pod["spec"]["initContainers"][0]["securityContext"]
        with pytest.raises(KubeError, match="PodSecurity"):
            kube.create(pods, pod)


EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))


def examples() -> list[Any]:
    documents = [(file.stem, document) for file in EXAMPLES for document in yaml.safe_load_all(file.read_text())]
    return [pytest.param(run, id=name) for name, run in documents if run["kind"] == "TrainingRun"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_what_a_file_of_an_example_holds_is_applied(kube: Kube, restricted: str, file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        if document["apiVersion"].startswith("kueue.x-k8s.io/"):
            continue  # test_kueue.py looks at these: no Kueue is here to take them
        root = f"/apis/{document['apiVersion']}" if "/" in document["apiVersion"] else f"/api/{document['apiVersion']}"
        folder = f"{root}/namespaces/{restricted}/{document['kind'].lower()}s"
        document["metadata"].pop("namespace", None)
        path = f"{folder}/{document['metadata']['name']}"
        query = "dryRun=All&fieldManager=kubectl&fieldValidation=Strict"
        kube.call("PATCH", f"{path}?{query}", document, content_type="application/apply-patch+yaml")


@pytest.mark.parametrize("example", examples())
def test_an_example_is_accepted_with_both_of_its_jobs(kube: Kube, restricted: str, example: Object) -> None:
    dry = "dryRun=All&fieldValidation=Strict"
    runs = f"/apis/training.badgerdoc.dev/v1alpha1/namespaces/{restricted}/trainingruns?{dry}"
    run = Run.parse(kube.create(runs, {**example, "metadata": {"name": example["metadata"]["name"]}}))
    for stage in (Stage.PREPROCESS, Stage.TRAIN):
        job = build_job(run, stage, 1, JobDefaults(image="worker:1"))
        kube.create(f"/apis/batch/v1/namespaces/{restricted}/jobs?{dry}", job)
        kube.create(f"/api/v1/namespaces/{restricted}/pods?{dry}", pod_of(job))
