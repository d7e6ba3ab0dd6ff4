"""What workers report their progress to (docs/architecture.md, "A progress report").

It takes nothing on trust: the token must be signed by the cluster and issued for exactly this run, stage and attempt,
and its pod must be one that was observed as the run's own and that still works.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from trainingrun_operator.core.attempt import job_of_attempt
from trainingrun_operator.core.errors import SetupError, UnreadableError
from trainingrun_operator.core.names import audience
from trainingrun_operator.core.progress.rate_limit import RateLimit
from trainingrun_operator.core.progress.report import STAGE_ORDER, Report, Shard, read_report
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage
from trainingrun_operator.endpoints.connections import Limits
from trainingrun_operator.endpoints.listener import Listener
from trainingrun_operator.endpoints.refusals import Refusal, Refusals
from trainingrun_operator.endpoints.tokens import Bearer, KeysUnavailableError, TokenError, TokenVerifier
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 8 * 1024
# A TLS connection costs about 280 KiB and 1 to 2 ms; a report takes some 20 ms, and 1,000 workers send 100 a second.
LIMITS = Limits(in_all=128, per_source=64, fruitless_in_all=200, fruitless_per_source=100)
CERTIFICATE_CHECK_S = 10.0
_RETRY_AFTER = {"Retry-After": "2"}
_MAX_LIMITS = 1000
_LIMIT_REFILL_S = 60.0


class _Refused(Exception):  # noqa: N818  (an answer, not an error of ours)
    def __init__(self, status: int, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class _Sender:
    """Whose report it is, as it was observed. A shard's pod is the newest one of its shard."""

    is_newest: bool
    shard: Shard | None
    completed: frozenset[int]


class Gateway:
    """The HTTP side of progress; `ProgressWriter` is what it hands accepted reports to."""

    def __init__(
        self,
        store: Store,
        writer: ProgressWriter,
        verifier: TokenVerifier,
        *,
        leads: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            leads: whether no other operator can lead now, which would have to know of the report.
        """
        self._leads = leads
        self._store = store
        self._writer = writer
        self._verifier = verifier
        self._clock = clock
        self._limits: dict[str, RateLimit] = {}
        self._refusals = Refusals("gateway")

    def listener(self, tls: ssl.SSLContext) -> Listener:
        """What accepts the workers' connections."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/v1/namespaces/{namespace}/trainingruns/{name}/progress", self._progress)
        return Listener("gateway", application, limits=LIMITS, refusals=self._refusals, tls=tls)

    async def _progress(self, request: web.Request) -> web.Response:
        key = Key(request.match_info["namespace"], request.match_info["name"])
        try:
            await self._take(request, key)
        except _Refused as refused:
            self._refusals.add(refused.reason)
            headers = _RETRY_AFTER if refused.status in (429, 503) else None
            return web.Response(status=refused.status, text=f"{refused}\n", headers=headers)
        except Exception as error:
            # An error of ours, which anybody may know how to cause: it must not fill the log.
            self._refusals.add(Refusal.ERROR)
            logger.debug("a report could not be handled", exc_info=error)
            return web.Response(status=500)
        return web.Response(status=204)

    async def _take(self, request: web.Request, key: Key) -> None:
        if not self._leads():
            raise _Refused(503, Refusal.NOT_LEADING, "another operator may lead now")
        bearer = await self._bearer(request)
        report = await self._report(request)
        # From here on nothing is waited for: the run that is judged is the run as it is now.
        run = self._run(key)
        sender = self._check_pod(run, report, bearer)
        # Only the run's own pods may use up what it has.
        self._spend(run)
        self._check_attempt(run, report)
        report = report.model_copy(update={"shard": sender.shard})
        if not self._writer.take(
            run, report, bearer.pod_uid, from_newest_pod=sender.is_newest, completed=sender.completed
        ):
            raise _Refused(409, Refusal.OUTDATED, "a newer report was taken already")

    async def _bearer(self, request: web.Request) -> Bearer:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _Refused(401, Refusal.NO_TOKEN, "a bearer token is missing")
        try:
            return await self._verifier.verify(token.strip())
        except TokenError as error:
            raise _Refused(401, Refusal.BAD_TOKEN, f"the token is not accepted: {error}") from error
        except KeysUnavailableError as error:
            raise _Refused(503, Refusal.KEYS_UNAVAILABLE, str(error)) from error

    async def _report(self, request: web.Request) -> Report:
        try:
            return read_report(await request.read())
        except web.HTTPRequestEntityTooLarge as error:
            raise _Refused(413, Refusal.BAD_REPORT, f"a report has at most {MAX_BODY_BYTES} bytes") from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise _Refused(400, Refusal.BROKEN, "the body did not come as announced") from error
        except ValidationError as error:
            details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            raise _Refused(422, Refusal.BAD_REPORT, details) from error
        except ValueError as error:
            raise _Refused(422, Refusal.BAD_REPORT, str(error)) from error

    def _run(self, key: Key) -> Run:
        if self._store.is_over(key):
            raise _Refused(409, Refusal.OUTDATED, "the run is over")
        try:
            run = self._store.run(key)
        except UnreadableError as error:
            raise _Refused(503, Refusal.UNKNOWN_RUN, "the run can't be read") from error
        if run is None:
            # Right after a start the lists may not have shown it yet.
            raise _Refused(503, Refusal.UNKNOWN_RUN, "the run is not known (yet)")
        return run

    def _spend(self, run: Run) -> None:
        now_s = self._clock()
        limit, allowed = self._limits.get(run.uid, RateLimit(at_s=now_s)).take(now_s)
        self._limits[run.uid] = limit
        if len(self._limits) > _MAX_LIMITS:
            # A bucket that nobody took from for a while is full, which is what a new one is.
            self._limits = {uid: each for uid, each in self._limits.items() if now_s - each.at_s < _LIMIT_REFILL_S}
        if not allowed:
            raise _Refused(429, Refusal.TOO_MANY_REPORTS, "too many reports of this run")

    def _check_pod(self, run: Run, report: Report, bearer: Bearer) -> _Sender:
        """What is known of the pod, once it is clear that it is the run's."""
        expected = audience(run.namespace, run.name, run.uid, report.stage, report.attempt)
        if expected not in bearer.audiences or bearer.namespace != run.namespace:
            raise _Refused(403, Refusal.NOT_ITS_POD, "the token was issued for another run, stage or attempt")
        pod = self._store.pod(bearer.pod_uid)
        job = self._store.job_named(run.namespace, job_of_attempt(run, report.stage, report.attempt))
        if pod is None or job is None:
            raise _Refused(503, Refusal.UNKNOWN_POD, "the pod has not been observed yet")
        if job.owner_uid != run.uid or pod.owner_uid != job.uid or pod.name != bearer.pod_name:
            raise _Refused(403, Refusal.NOT_ITS_POD, "the pod is not this run's")
        if pod.gone:
            # Its token's signature stays good for up to an hour.
            raise _Refused(403, Refusal.POD_GONE, "the pod is gone")
        if pod.terminal and not report.final:
            raise _Refused(409, Refusal.POD_ENDED, "the pod has ended")
        shard = None
        if report.stage is Stage.PREPROCESS and job.shards > 1 and pod.index is not None:
            shard = Shard(index=pod.index, of=job.shards)
        if report.stage is Stage.TRAIN and pod.index not in (None, 0):
            raise _Refused(403, Refusal.NOT_ITS_POD, "the first node of a training speaks for all")
        if report.shard is not None and report.shard != shard:
            raise _Refused(422, Refusal.BAD_REPORT, "shard: it is not the pod's")
        alike = (job.uid, pod.index)
        newest = [each for each in self._store.pods_of(run.uid) if (each.owner_uid, each.index) == alike][-1]
        return _Sender(is_newest=newest.uid == pod.uid, shard=shard, completed=job.completed_indexes)

    def _check_attempt(self, run: Run, report: Report) -> None:
        stage = run.status.current_stage
        current = (STAGE_ORDER.index(stage), run.status.attempts.of(stage))
        reported = (STAGE_ORDER.index(report.stage), report.attempt)
        if reported > current:
            raise _Refused(503, Refusal.TOO_EARLY, "the attempt has not been observed yet")
        if reported < current:
            raise _Refused(409, Refusal.OUTDATED, "a later attempt is under way")


async def serve(gateway: Gateway, *, port: int, tls_dir: Path, started: asyncio.Event) -> None:
    """Serves until cancelled, and takes up a renewed certificate without a restart.

    Args:
        tls_dir: holds `tls.crt` and `tls.key`, as a Secret of type kubernetes.io/tls is mounted.

    Raises:
        SetupError: there is no usable certificate, or the port can't be had.
    """
    certificate, key = tls_dir / "tls.crt", tls_dir / "tls.key"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"the gateway's certificate {certificate} and key {key} can't be loaded: {error}") from error
    renewal = asyncio.create_task(_renew(context, certificate, key))
    try:
        await gateway.listener(context).serve(port, started=started)
    finally:
        renewal.cancel()


async def _renew(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    def version() -> tuple[int, int]:
        return certificate.stat().st_mtime_ns, key.stat().st_mtime_ns

    loaded = version()
    while True:
        await asyncio.sleep(CERTIFICATE_CHECK_S)
        try:
            found = version()
            if found != loaded:
                context.load_cert_chain(certificate, key)
                loaded = found
                logger.info("the gateway's certificate was renewed")
        except (OSError, ssl.SSLError) as error:
            # A Secret's files change one after the other: the next look finds both.
            logger.warning("the gateway's new certificate can't be loaded", extra={"error": error})
