"""The operator that Helm installed in the local cluster stands aside while tests run their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.kube import Kube, wait_for

_LABEL = "labelSelector=app.kubernetes.io/name=trainingrun-operator"


@contextmanager
def standing_aside(kube: Kube) -> Iterator[None]:
    """Scales it to zero, and back at the end: two operators would both handle the tests' runs."""
    found = {item["metadata"]["namespace"]: item for item in kube.items(f"/apis/apps/v1/deployments?{_LABEL}")}
    scales = {
        f"/apis/apps/v1/namespaces/{namespace}/deployments/{item['metadata']['name']}/scale": item["spec"]["replicas"]
        for namespace, item in found.items()
    }
    for path in scales:
        kube.patch(path, {"spec": {"replicas": 0}})
    wait_for(lambda: not kube.items(f"/api/v1/pods?{_LABEL}"), "the installed operator has ended")
    try:
        yield
    finally:
        for path, replicas in scales.items():
            kube.patch(path, {"spec": {"replicas": replicas}})
