"""The cluster and the workspace are those of the end-to-end tests."""

from tests.e2e.conftest import cluster, workspace

__all__ = ["cluster", "workspace"]
