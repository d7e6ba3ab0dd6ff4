"""The operator's metrics: every name, type and label of them (docs/operator.md has the table).

Labels have few values each: no run, namespace or node is one. Counters begin at 0 with each start of the process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

K = TypeVar("K")

_WAIT_BUCKETS_S = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)

VISITS = Histogram(
    "trainingrun_visit_seconds",
    "How long the visits to runs took, by how they ended.",
    ["outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
    registry=None,
)
API_REQUESTS = Counter(
    "trainingrun_api_requests_total",
    "Calls of the API server, by HTTP method and status code; `none` where it did not answer.",
    ["verb", "code"],
    registry=None,
)
REQUESTS = Counter(
    "trainingrun_http_requests_total",
    "Answers of the operator's servers, by HTTP status code.",
    ["server", "code"],
    registry=None,
)
REFUSALS = Counter(
    "trainingrun_refusals_total",
    "Connections and reports that the operator's servers refused, by why.",
    ["server", "reason"],
    registry=None,
)
CONNECTIONS = Gauge("trainingrun_connections", "Open connections of the operator's servers.", ["server"], registry=None)
FAILURES = Counter("trainingrun_failures_total", "Failed attempts, by class.", ["class"], registry=None)
FIRST_POD = Histogram(
    "trainingrun_first_pod_seconds",
    "From the acceptance of a run until its first pod has a node.",
    buckets=_WAIT_BUCKETS_S,
    registry=None,
)
FIRST_STEP = Histogram(
    "trainingrun_first_step_seconds",
    "From the acceptance to the first training step, of trainings whose first attempt nothing disturbed before it.",
    buckets=_WAIT_BUCKETS_S,
    registry=None,
)

_ALL: tuple[Collector, ...] = (
    VISITS, API_REQUESTS, REQUESTS, REFUSALS, CONNECTIONS, FAILURES, FIRST_POD, FIRST_STEP,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the figures come from that are read when they are asked for."""

    runs_by_phase: Callable[[], Mapping[str, int]]
    # How many keys are due, and for how many seconds the oldest one.
    backlog: Callable[[], tuple[int, float]]
    gpu_seconds: Callable[[], Mapping[str, float]]
    leads: Callable[[], bool]


class _WhenAsked(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        leads = 1 if self._sources.leads() else 0
        yield GaugeMetricFamily("trainingrun_leader", "1 where this operator is certain to lead, else 0.", value=leads)
        runs = GaugeMetricFamily("trainingrun_runs", "TrainingRuns that exist, by phase.", labels=["phase"])
        for phase, count in self._sources.runs_by_phase().items():
            runs.add_metric([phase], count)
        yield runs
        depth, oldest_s = self._sources.backlog()
        yield GaugeMetricFamily("trainingrun_queue_depth", "Runs whose visit is due.", value=depth)
        yield GaugeMetricFamily(
            "trainingrun_queue_oldest_seconds", "For how long the oldest of these visits has been due.", value=oldest_s
        )
        gpus = CounterMetricFamily(
            "trainingrun_gpu_seconds",
            "GPUs that runs had (`used`) or waited for (`waiting`), times seconds; `lost`: what was used since the "
            "last checkpoint when an attempt failed.",
            labels=["kind"],
        )
        for kind, seconds in self._sources.gpu_seconds().items():
            gpus.add_metric([kind], seconds)
        yield gpus


def registry(sources: Sources) -> CollectorRegistry:
    """All metrics, and those of the process itself."""
    made = CollectorRegistry()
    for collector in (*_ALL, _WhenAsked(sources)):
        made.register(collector)
    ProcessCollector(registry=made)
    return made


def timed(visit: Callable[[K], Awaitable[float | None]]) -> Callable[[K], Awaitable[float | None]]:
    """The same visit, measured."""

    async def measured(key: K) -> float | None:
        begun_s, outcome = perf_counter(), "failed"
        try:
            again_s = await visit(key)
            outcome = "done"
            return again_s
        finally:
            VISITS.labels(outcome).observe(perf_counter() - begun_s)

    return measured
