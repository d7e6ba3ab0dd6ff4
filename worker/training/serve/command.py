"""`python3 -m training.serve`: a small HTTP server that finds the tables of PDFs.

    python3 -m training.serve --model MODEL --port 8080
    curl --data-binary @report.pdf 'http://localhost:8080/v1/tables?name=report.pdf'

Whoever reaches its port may use it: it asks for no password and speaks no TLS. Put a proxy before it that does.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from training.device.choice import DEVICE_HELP, DEVICES
from training.documents.render import RenderOptions
from training.errors import ConfigError, Failure
from training.infer import render_ahead
from training.infer.network import LoadDetector, download_model, load_network
from training.infer.predictor import Predictor
from training.model import bundle
from training.model.detections import WORKING_SCORE
from training.options import OptionParser, positive_integer, probability
from training.process.exit import run_command
from training.process.limits import limit_process
from training.process.logs import start_logging
from training.process.pool import DocumentPool, warm_up
from training.serve.application import Application, Bounds
from training.serve.documents import Documents, Limits
from training.serve.shared_detector import SharedDetector

logger = logging.getLogger(__name__)
BODY_SECONDS = 60.0
STOP_SECONDS = 20.0  # for the documents in work, of a pod's grace period of 30 s


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of the command line."""

    model: bundle.Destination
    host: str
    port: int
    device: str
    score: float
    batch_size: int
    render: RenderOptions
    limits: Limits
    body_bytes: int
    verbose: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Parses and checks the command line. Raises ConfigError for wrong options, SystemExit for --help."""
    parser = OptionParser(prog="python3 -m training.serve", description="Finds the tables of PDFs, over HTTP.")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        required=True,
        help="the .pth that training.train published, a path or s3://; its manifest and its config, which is executed "
        "as Python, must lie beside it",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, 0.0.0.0 in a pod (127.0.0.1)")
    parser.add_argument("--port", type=positive_integer, default=8080, help="port to listen on (8080)")
    parser.add_argument("--device", default="auto", choices=DEVICES, help=f"{DEVICE_HELP} (auto)")
    parser.add_argument(
        "--score", type=probability, default=WORKING_SCORE, help=f"lowest score of a detection ({WORKING_SCORE})"
    )
    parser.add_argument(
        "--batch-size", type=positive_integer, default=1, help="pages that the network gets at once (1)"
    )
    parser.add_argument(
        "--dpi", type=positive_integer, default=RenderOptions.dpi, help=f"resolution of the pages ({RenderOptions.dpi})"
    )
    parser.add_argument("--max-megabytes", type=positive_integer, default=50, help="of a PDF, in MiB (50)")
    parser.add_argument("--max-pages", type=positive_integer, default=200, help="of a PDF (200)")
    parser.add_argument("--max-seconds", type=positive_integer, default=300, help="for a PDF, waiting included (300)")
    parser.add_argument("--documents", type=positive_integer, default=2, help="that are worked on at once (2)")
    parser.add_argument("--waiting", type=positive_integer, default=8, help="documents that may wait behind them (8)")
    parser.add_boolean("--verbose", description="log more, and a traceback with every failure")
    parsed = parser.parse_args(list(arguments))
    return Options(
        model=bundle.destination(parsed.model),
        host=parsed.host,
        port=parsed.port,
        device=parsed.device,
        score=parsed.score,
        batch_size=parsed.batch_size,
        render=RenderOptions(parsed.dpi),
        limits=Limits(
            pages=parsed.max_pages, seconds=parsed.max_seconds, at_once=parsed.documents, waiting=parsed.waiting
        ),
        body_bytes=parsed.max_megabytes << 20,
        verbose=parsed.verbose,
    )


def serve(options: Options, load_detector: LoadDetector) -> None:
    """Serves until SIGTERM or SIGINT; documents in work are then answered first. Raises the typed errors."""
    warm_up(render_ahead.__name__)
    with tempfile.TemporaryDirectory(prefix="serve-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("MPLCONFIGDIR", f"{folder}/matplotlib")
        scratch = Path(folder)
        model = download_model(options.model, scratch)
        # Before the port is open, so that whoever connects is served.
        network = load_detector(model, options.device, options.batch_size)
        with (
            DocumentPool(options.limits.at_once, initialize=limit_process, preload=render_ahead.__name__) as pool,
            closing(SharedDetector(network, batch_size=options.batch_size)) as detector,
        ):
            predictor = Predictor(pool, lambda: detector, score=options.score)
            documents = Documents(model, predictor, options.render, options.limits, score=options.score)
            with closing(documents):
                bounds = Bounds(body_bytes=options.body_bytes, body_seconds=BODY_SECONDS, scratch=scratch)
                application = Application(documents, bounds).build()
                logger.info("%s is served on http://%s:%d/", model.uri, options.host, options.port)
                _listen(application, options)


def _listen(application: web.Application, options: Options) -> None:
    try:
        web.run_app(
            application,
            host=options.host,
            port=options.port,
            print=None,
            access_log=None,
            shutdown_timeout=STOP_SECONDS,
            handler_cancellation=True,
        )
    except OSError as error:
        raise ConfigError(
            f"Nothing can listen on {options.host}:{options.port} ({error.strerror}); name another --host or --port."
        ) from error


def main(arguments: Sequence[str] | None = None, *, load_detector: LoadDetector = load_network) -> int:
    """Runs the command; returns its exit code (docs/architecture.md)."""
    verbose = False

    def command() -> None:
        nonlocal verbose
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
        verbose = options.verbose
        start_logging(logging.DEBUG if verbose else logging.INFO)
        serve(options, load_detector)

    def on_failure(_: Failure) -> None:
        """Nobody reads a termination message of this command."""

    return run_command(command, is_verbose=lambda: verbose, on_failure=on_failure)
