"""What is done with the operator, one stretch after the other."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from hack.bench.api_server import ApiServer, running_api_server
from hack.bench.operator.goals import CPUS, Figures
from hack.bench.operator.life import NAMESPACE, Life
from hack.bench.operator.process import RELIST_S, Operator
from hack.bench.operator.quota import cpu_quota
from hack.bench.operator.reporters import report_for, until_visible
from hack.bench.preprocess import say

SAMPLES = 100
REPORTERS, REPORTING_S = 1000, 60.0
PATIENCE_S = 120.0


def measure(code: Path, *, runs: int, rest_s: float) -> tuple[Figures, bool]:
    """Measures a checkout's operator; answers, too, whether it was held to its share of a CPU."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = stack.enter_context(running_api_server())
        group = stack.enter_context(cpu_quota(CPUS))
        life = Life(server)
        operator = Operator(server, code, folder, namespace=NAMESPACE, group=group)
        try:
            return _measure(operator, life, server, runs, rest_s), group is not None
        finally:
            operator.stop()


def _measure(operator: Operator, life: Life, server: ApiServer, runs: int, rest_s: float) -> Figures:
    names = [f"tables-{number:05}" for number in range(runs)]
    operator.start()
    operator.rests()
    before_bytes = operator.resident_bytes
    say("runs begin one by one")
    idle_s = _creations(life, "idle", SAMPLES)
    operator.rests()
    say(f"{runs} runs begin at once")
    begun_s = time.monotonic()
    life.create_all(names)
    burst_s = max(life.job_made.of(name, timeout_s=1800) for name in names) - begun_s
    burst = operator.rests()
    say(f"{runs} pods work")
    life.work_all(names)
    operator.rests()
    with_bytes = operator.resident_bytes
    say(f"at rest for {rest_s:.0f} s")
    operator.taken()
    time.sleep(rest_s)
    rest = operator.taken()
    say("runs begin, and Jobs end, beside the others")
    busy_s = _creations(life, "busy", SAMPLES)
    ended_s = _ends(life, names[:SAMPLES])
    operator.rests()
    reporting = names[SAMPLES:][:REPORTERS]
    say(f"{len(reporting)} workers report")
    operator.taken()
    sent_s = report_for(life, reporting, server=server, port=operator.gateway_port, seconds=REPORTING_S)
    reports = operator.taken()
    visible_s = until_visible(life, sent_s, patience_s=PATIENCE_S)
    operator.rests()
    say("a restart")
    jobs = life.job_count()
    peak_bytes = operator.peak_bytes
    operator.stop()
    operator.start()
    again = operator.rests()
    peak_bytes = max(peak_bytes, operator.peak_bytes)
    new_jobs = life.job_count() - jobs
    say("all are deleted")
    life.delete_all()
    operator.rests()
    # Until the next round of lists.
    time.sleep(RELIST_S)
    return Figures(
        runs=runs,
        burst_wall_s=burst_s,
        burst_cpu_s=burst.cpu_s,
        burst_requests=burst.requests,
        idle_creations_s=idle_s,
        busy_creations_s=busy_s,
        job_ends_s=ended_s,
        rest_s=rest.wall_s,
        rest_cpu_s=rest.cpu_s,
        rest_requests=rest.requests,
        restart_wall_s=again.wall_s,
        restart_cpu_s=again.cpu_s,
        restart_requests=again.requests,
        new_jobs_of_restart=new_jobs,
        reporters=len(reporting),
        reports=len(sent_s),
        reports_cpus=reports.cpu_s / reports.wall_s,
        reports_visible_s=visible_s,
        memory_before_bytes=before_bytes,
        memory_with_bytes=with_bytes,
        memory_after_bytes=operator.resident_bytes,
        memory_peak_bytes=peak_bytes,
    )


def _creations(life: Life, prefix: str, count: int) -> list[float]:
    """Runs, one after the other: from the request to the Job."""
    waits_s = []
    for number in range(count):
        name = f"{prefix}-{number:03}"
        begun_s = life.creates(name)
        waits_s.append(life.job_made.of(name, timeout_s=PATIENCE_S) - begun_s)
    return waits_s


def _ends(life: Life, names: list[str]) -> list[float]:
    waits_s = []
    for name in names:
        begun_s = life.publishes(name)
        waits_s.append(life.dataset_told.of(name, timeout_s=PATIENCE_S) - begun_s)
    return waits_s
