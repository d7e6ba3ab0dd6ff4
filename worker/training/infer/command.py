"""`python3 -m training.infer`: PDFs in, BadgerDoc JSON out, predicted by a trained model.

    python3 -m training.infer INPUT OUTPUT --model MODEL
    CASCADE_CONFIG_PATH=CONFIG CASCADE_MODEL_PATH=MODEL python3 -m training.infer INPUT OUTPUT

The output holds `json/`, `pdfs/` and, for people to look at, `draw/`; when people have corrected it, it can be the
source of `training.preprocess`. Whatever can be checked early is checked here, before torch is imported.
"""

import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.device.choice import DEVICE_HELP, DEVICES
from training.documents.passwords import Passwords
from training.documents.render import RenderOptions
from training.errors import ConfigError, DataError, Failure
from training.infer import render_ahead
from training.infer.network import LoadDetector, download_model, load_network
from training.infer.pdfs import find_pdfs
from training.infer.pipeline import DocumentOutcome, InferencePlan, State, predict_documents
from training.model import bundle
from training.model.detections import WORKING_SCORE
from training.options import OptionParser, positive_integer, probability
from training.process.exit import run_command
from training.process.limits import limit_process
from training.process.logs import start_logging
from training.process.pool import DocumentPool, warm_up
from training.process.signals import StopRequest
from training.storage.uri import open_storage

logger = logging.getLogger(__name__)
MODEL_VARIABLE, CONFIG_VARIABLE = "CASCADE_MODEL_PATH", "CASCADE_CONFIG_PATH"
STOP_DEADLINE_S = 20.0  # of a pod's grace period of 30 s


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of the command line and the two environment variables."""

    source: str
    target: str
    model: bundle.Destination
    config_uri: str | None  # None: the config beside the model
    device: str
    score: float
    batch_size: int
    render: RenderOptions
    passwords: Path | None
    copy_pdfs: bool
    force: bool
    verbose: bool


def parse_options(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Options:
    """Parses and checks the command line. Raises ConfigError for wrong options, SystemExit for --help."""
    parser = OptionParser(
        prog="python3 -m training.infer", description="Predicts the tables of PDFs, as BadgerDoc JSON."
    )
    parser.add_argument("source", metavar="INPUT", help="a PDF, or a folder of PDFs or with pdfs/: a path or s3://")
    parser.add_argument("target", metavar="OUTPUT", help="folder for json/, pdfs/ and draw/: a path or s3://")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="the .pth that training.train published, a path or s3://; its manifest and its config, which is executed "
        f"as Python, must lie beside it (default: {MODEL_VARIABLE}, with {CONFIG_VARIABLE})",
    )
    parser.add_argument("--device", default="auto", choices=DEVICES, help=f"{DEVICE_HELP} (auto)")
    parser.add_argument(
        "--score",
        type=probability,
        default=WORKING_SCORE,
        help=f"lowest score of a detection, from 0 to 1 ({WORKING_SCORE})",
    )
    parser.add_argument(
        "--batch_size", type=positive_integer, default=1, help="pages that the network gets at once (1)"
    )
    parser.add_argument(
        "--dpi",
        type=positive_integer,
        default=RenderOptions.dpi,
        help=f"resolution at which pages are drawn ({RenderOptions.dpi})",
    )
    parser.add_argument(
        "--page_timeout",
        type=positive_integer,
        default=RenderOptions.page_timeout_s,
        help=f"seconds of CPU time after which a page fails its document ({RenderOptions.page_timeout_s:g})",
    )
    parser.add_argument("--passwords", type=Path, help="YAML file: document name -> password, '*' for all others")
    parser.add_boolean("--copy_pdfs", default=True, description="copy the PDFs to the output (True)")
    parser.add_boolean("--force", description="replace predictions that exist, even if people have changed them")
    parser.add_boolean("--verbose", description="log more, and a traceback with every failure")
    parsed = parser.parse_args(list(arguments))
    render = RenderOptions(parsed.dpi, page_timeout_s=parsed.page_timeout)
    model, config_uri = _model(parsed.model, environ)
    return Options(
        source=parsed.source,
        target=parsed.target,
        model=bundle.destination(model),
        config_uri=config_uri,
        device=parsed.device,
        score=parsed.score,
        batch_size=parsed.batch_size,
        render=render,
        passwords=parsed.passwords,
        copy_pdfs=parsed.copy_pdfs,
        force=parsed.force,
        verbose=parsed.verbose,
    )


def _model(given: str | None, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """The addresses of the model and of its config, which is None if the config lies beside the model."""
    if given:
        return given, None
    model, config = environ.get(MODEL_VARIABLE, ""), environ.get(CONFIG_VARIABLE, "")
    if not model or not config:
        raise ConfigError(
            f"No model is named; give --model, or set {MODEL_VARIABLE} and {CONFIG_VARIABLE}, both of them."
        )
    return model, config if "://" in config else str(Path(config).absolute())


def prepare(options: Options, scratch: Path, load_detector: LoadDetector) -> InferencePlan:
    """Makes the checks that need no torch, the cheapest first. Raises the typed errors."""
    passwords = Passwords.read(options.passwords) if options.passwords else Passwords()
    source = find_pdfs(options.source)
    target = open_storage(options.target)
    target.check_writable()
    model = download_model(options.model, scratch, config_uri=options.config_uri)
    return InferencePlan(
        source=source,
        target=target,
        model=model,
        load_detector=lambda: load_detector(model, options.device, options.batch_size),
        render=options.render,
        score=options.score,
        passwords=passwords,
        copy_pdfs=options.copy_pdfs,
        force=options.force,
        scratch=scratch,
    )


def run(options: Options, load_detector: LoadDetector) -> None:
    """Predicts all documents. Raises DataError, which names the documents that failed, if there are any."""
    warm_up(render_ahead.__name__)
    with tempfile.TemporaryDirectory(prefix="infer-") as folder:
        # In a pod the root file system is read-only, and so may the home folder be.
        os.environ.setdefault("MPLCONFIGDIR", f"{folder}/matplotlib")
        plan = prepare(options, Path(folder), load_detector)
        with DocumentPool(1, initialize=limit_process, preload=render_ahead.__name__) as pool:
            outcomes = predict_documents(plan, pool)
    print(summary(outcomes, plan.target.uri()), flush=True)
    failed = [outcome.name for outcome in outcomes if outcome.state is State.FAILED]
    if failed:
        raise DataError(
            f"{len(failed)} of {len(outcomes)} documents could not be predicted: {', '.join(failed)}; the log says why "
            f"of each."
        )


def summary(outcomes: Sequence[DocumentOutcome], target: str) -> str:
    """The final output for people: the number of documents in each state."""
    counts = Counter(outcome.state for outcome in outcomes)
    words = {
        State.PREDICTED: "predicted",
        State.UP_TO_DATE: "predicted before",
        State.KEPT: "kept as people changed them",
        State.FAILED: "failed",
    }
    parts = [f"{counts[state]} {text}" for state, text in words.items() if counts[state]]
    return f"{target}: {len(outcomes)} documents, {', '.join(parts)}"


def main(arguments: Sequence[str] | None = None, *, load_detector: LoadDetector = load_network) -> int:
    """Runs the command; returns its exit code (docs/architecture.md)."""
    verbose = False

    def command() -> None:
        nonlocal verbose
        stop.check()
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
        verbose = options.verbose
        start_logging(logging.DEBUG if verbose else logging.INFO)
        run(options, load_detector)

    def on_failure(_: Failure) -> None:
        """Nobody reads a termination message of this command."""

    with StopRequest(deadline_s=STOP_DEADLINE_S, on_failure=on_failure) as stop:
        return run_command(command, is_verbose=lambda: verbose, on_failure=on_failure)
