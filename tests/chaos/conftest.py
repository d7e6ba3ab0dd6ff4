"""The cluster and the workspace are those of the end-to-end tests."""

from tests.support.cluster.fixtures import cluster, workspace

__all__ = ["cluster", "workspace"]
