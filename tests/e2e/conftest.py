"""The local cluster with the operator installed by Helm from this checkout, and a namespace with documents in S3."""

from tests.support.cluster.fixtures import cluster, workspace

__all__ = ["cluster", "workspace"]
