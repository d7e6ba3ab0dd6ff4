"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self, *, documents_in_all: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "training_serve_requests",
            "Documents that were sent, by what was answered",
            ["status"],
            registry=self._registry,
        )
        self.pages = Counter("training_serve_pages", "Pages that were predicted", registry=self._registry)
        self.seconds = Histogram(
            "training_serve_document_seconds",
            "From a document's arrival to its answer, for those that were predicted",
            buckets=(0.5, 1, 2, 5, 10, 20, 60, 120, 300),
            registry=self._registry,
        )
        under_way = Gauge("training_serve_documents", "Documents that are predicted or wait", registry=self._registry)
        under_way.set_function(documents_in_all)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
