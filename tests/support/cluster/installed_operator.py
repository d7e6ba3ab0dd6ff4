"""The operator that Helm installed in the local cluster stands aside while tests run their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cluster.kube import Kube, wait_for
from tests.support.cluster.sessions import session

_NAMESPACE = "trainingrun-system"
_LABEL = "labelSelector=app.kubernetes.io/name=trainingrun-operator"


@contextmanager
def standing_aside(kube: Kube) -> Iterator[None]:
    """Scales it to zero, and back at the end: two operators would both handle the tests' runs.

    The last session brings it back; at one at least, since one that was killed left it at zero.
    """
    deployments = kube.items(f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments?{_LABEL}")
    scales = {
        f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments/{item['metadata']['name']}/scale": item["spec"]["replicas"]
        for item in deployments
    }
    with session(kube) as is_last:
        try:
            for path in scales:
                kube.patch(path, {"spec": {"replicas": 0}})
            pods = f"/api/v1/namespaces/{_NAMESPACE}/pods?{_LABEL}"
            wait_for(lambda: not kube.items(pods), "the installed operator has ended")
            yield
        finally:
            if is_last():
                for path, replicas in scales.items():
                    kube.patch(path, {"spec": {"replicas": max(1, replicas)}})
