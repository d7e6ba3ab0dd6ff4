"""`python3 -m training.preprocess`: turns corrected BadgerDoc documents into a COCO dataset to train on.

    python3 -m training.preprocess --source SOURCE --working_dir TARGET
    python3 -m training.preprocess --s3_bucket BUCKET --s3_source_folder SOURCE --s3_target_folder TARGET

The source holds `pdfs/` and `json/`. The target gets the dataset in `ttv/` and, for people to check it, `report.html`
and `pdfs/<document>/draw_ann/`.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.dataset.layout import MANIFEST_KEY, REPORT_KEY, annotation_key
from training.dataset.manifest import Manifest
from training.dataset.split import SplitWeights
from training.documents.passwords import Passwords
from training.documents.render import IMAGE_FORMATS, RenderOptions
from training.errors import ConfigError, Failure
from training.labels.frames.frame import Coordinates
from training.labels.frames.options import add_annotation_options, page_box
from training.options import OptionParser, positive_integer
from training.preprocess import chunk
from training.preprocess.chunk import PageOptions
from training.preprocess.parameters import Allowance, Parameters, allowance
from training.preprocess.pipeline import DatasetDone, ShardDone, preprocess
from training.preprocess.prepare import Progress
from training.preprocess.shards import Shard
from training.process.container import available_cpus
from training.process.exit import run_command
from training.process.logs import start_logging
from training.process.pool import warm_up
from training.process.signals import StopRequest
from training.process.watchdog import Watchdog, step_deadline
from training.progress.report import STAGE_PREPROCESS, JsonObject
from training.progress.reporter import ProgressReporter
from training.progress.termination import dataset_message, failed_message, shard_message, write_termination
from training.storage.base import Storage
from training.storage.files import local_errors
from training.storage.uri import open_storage

logger = logging.getLogger("training.preprocess")
STOP_DEADLINE_S = 20.0  # of the pod's grace period of 30 s


@dataclass(frozen=True)
class Options:
    """The checked options of the command line."""

    source: str
    target: str
    scratch_parent: Path | None
    parameters: Parameters
    passwords: Path | None
    shard: Shard
    workers: int
    verbose: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Parses and checks the command line. Raises ConfigError if it is contradictory or incomplete."""
    parser = OptionParser(prog="python3 -m training.preprocess", description=__doc__ or "")
    parser.add_argument("--working_dir", help="local folder for the dataset; with S3, for temporary files")
    parser.add_argument("--source", help="local folder with pdfs/ and json/")
    parser.add_argument("--s3_bucket", help="S3 bucket of source and target")
    parser.add_argument("--s3_source_folder", help="folder in the bucket with pdfs/ and json/")
    parser.add_argument("--s3_target_folder", help="folder in the bucket for the dataset")
    add_annotation_options(parser)
    parser.add_argument(
        "--dpi",
        type=positive_integer,
        default=RenderOptions.dpi,
        help=f"resolution of the images ({RenderOptions.dpi})",
    )
    parser.add_argument(
        "--image_format", default="jpeg", choices=IMAGE_FORMATS, help="png is lossless, but 10 times as slow (jpeg)"
    )
    parser.add_argument("--split", default="80,10,10", help="shares of train,val,test (80,10,10)")
    parser.add_argument("--seed", type=int, default=0, help="another seed splits the documents differently (0)")
    parser.add_argument(
        "--max_failed_documents",
        type=allowance,
        default=Allowance(percent=10),
        help="how many documents may be quarantined, as a number or a percentage (10%%)",
    )
    parser.add_argument("--passwords", type=Path, help="YAML file: document name -> password, '*' for all others")
    parser.add_argument(
        "--page_timeout",
        type=positive_integer,
        default=RenderOptions.page_timeout_s,
        help=f"seconds of CPU time after which a page's document is quarantined ({RenderOptions.page_timeout_s:g})",
    )
    parser.add_argument("--shards", type=positive_integer, default=1, help="number of shards of the documents (1)")
    parser.add_argument("--shard_index", type=int, help="the shard to prepare, from 0 (JOB_COMPLETION_INDEX)")
    parser.add_argument("--workers", type=positive_integer, help="processes that draw pages (all CPUs)")
    parser.add_boolean("--verbose", description="one line per document")
    parsed = parser.parse_args(arguments)
    source, target = _places(parsed)
    pages = PageOptions(
        render=RenderOptions(parsed.dpi, parsed.image_format, parsed.page_timeout),
        annotation_format=parsed.format,
        coordinates=Coordinates.parse(parsed.coordinates),
        frame=page_box(parsed.frame),
    )
    return Options(
        source=source,
        target=target,
        scratch_parent=Path(parsed.working_dir) if parsed.working_dir and parsed.s3_bucket else None,
        parameters=Parameters(pages, SplitWeights.parse(parsed.split), parsed.seed, parsed.max_failed_documents),
        passwords=parsed.passwords,
        shard=_shard(parsed.shards, parsed.shard_index),
        workers=parsed.workers or available_cpus(),
        verbose=parsed.verbose,
    )


def _shard(count: int, given: int | None) -> Shard:
    if given is not None:
        index = given
    elif count == 1:
        index = 0
    else:
        # Kubernetes sets this variable in the pods of an Indexed Job.
        text = os.environ.get("JOB_COMPLETION_INDEX", "")
        if not text.isdecimal():
            raise ConfigError(f"--shards is {count}, so --shard_index must say which of them this is.")
        index = int(text)
    if not 0 <= index < count:
        raise ConfigError(f"--shard_index is {index}; with --shards {count} it goes from 0 to {count - 1}.")
    return Shard(index, count)


def _places(parsed: argparse.Namespace) -> tuple[str, str]:
    """The addresses of source and target."""
    s3 = {name: getattr(parsed, name) for name in ("s3_bucket", "s3_source_folder", "s3_target_folder")}
    given = [name for name, value in s3.items() if value]
    if given and parsed.source:
        raise ConfigError(
            f"--source is local and --{given[0]} is S3; give --source and --working_dir, or the S3 options."
        )
    if given:
        missing = [f"--{name}" for name, value in s3.items() if not value]
        if missing:
            raise ConfigError(f"{' and '.join(missing)} must be given too: S3 needs all three --s3_ options.")
        bucket = parsed.s3_bucket
        if "/" in bucket:
            raise ConfigError(
                f"--s3_bucket is {bucket!r}; write the bucket's name alone, and folders in the other options."
            )
        return tuple(f"s3://{bucket}/{parsed_folder.strip('/')}" for parsed_folder in list(s3.values())[1:])  # type: ignore[return-value]
    if not parsed.source or not parsed.working_dir:
        raise ConfigError(
            "Give --source and --working_dir for local folders, or --s3_bucket, --s3_source_folder and "
            "--s3_target_folder for S3."
        )
    return parsed.source, parsed.working_dir


def succeeded_message(outcome: DatasetDone | ShardDone, target: Storage) -> JsonObject:
    """The termination message of a run that made or found the dataset, or finished its shard."""
    if isinstance(outcome, ShardDone):
        return shard_message(index=outcome.shard.index, of=outcome.shard.of, documents=outcome.documents)
    manifest = outcome.dataset.manifest
    return dataset_message(
        digest=manifest.digest,
        manifest=target.uri(MANIFEST_KEY),
        report=target.uri(REPORT_KEY),
        cache_hit=outcome.cache_hit,
        prepared=len(manifest.documents),
        quarantined=len(manifest.quarantined),
        images={name: split.images for name, split in manifest.splits.items()},
        annotations=_annotations(manifest),
    )


def summary(outcome: DatasetDone | ShardDone, target: Storage, seconds: float) -> str:
    """The final output for people: counts per split and category, and what was left out."""
    if isinstance(outcome, ShardDone):
        shard = outcome.shard
        return (
            f"shard {shard.index} of {shard.of}: {outcome.documents} documents are done; "
            "the process that is done last assembles the dataset"
        )
    manifest = outcome.dataset.manifest
    lines = [f"{target.uri(MANIFEST_KEY)}  {manifest.digest}"]
    for name, split in manifest.splits.items():
        counts = ", ".join(f"{count} {label}" for label, count in split.annotations.items())
        lines.append(f"{name:5}  {split.documents} documents, {split.images} images: {counts}")
    lines += [
        f"edited  {target.uri(annotation_key(split))} was changed by somebody since, and is kept as it is"
        for split in outcome.dataset.edited
    ]
    lines += [
        f"moved  {move.document} from {move.source} to {move.target}, which lacked what it has"
        for move in manifest.moved
    ]
    lines += [
        f"leak  the same page is in {' and '.join(leak.splits)}: {', '.join(leak.documents)}" for leak in manifest.leaks
    ]
    lines += [f"left out  {entry.name}: {entry.reason}: {entry.message}" for entry in manifest.quarantined]
    total = len(manifest.documents) + len(manifest.quarantined)
    pages = outcome.new_pages
    if outcome.cache_hit:
        how = "nothing to do: the dataset is there and its input is unchanged"
    else:
        how = f"{pages} pages drawn in {seconds:.1f} s, {pages / max(seconds, 1e-9):.1f} a second"
    lines.append(f"{len(manifest.documents)} of {total} documents prepared; {how}")
    lines.append(f"look at {target.uri(REPORT_KEY)} before you train")
    return "\n".join(lines)


def run(options: Options, stop: StopRequest) -> None:
    """Runs preprocess, reports progress, prints the summary and writes the termination message."""
    started = time.monotonic()
    watchdog = Watchdog(step_deadline(), stop)
    warm_up(chunk.__name__)
    source = open_storage(options.source)
    target = open_storage(options.target, beside=source)
    passwords = Passwords.read(options.passwords) if options.passwords else Passwords()
    with ProgressReporter.from_env(stage=STAGE_PREPROCESS) as reporter:
        if options.shard.of > 1:
            reporter.update(shard={"index": options.shard.index, "of": options.shard.of})

        def on_progress(progress: Progress) -> None:
            seconds = time.monotonic() - started
            if not progress.fraction:
                watchdog.begin()
                return
            watchdog.step() if progress.fraction < 1 else watchdog.rest()
            reporter.update(
                percent=round(100 * progress.fraction, 1),
                etaSeconds=round(seconds * (1 / progress.fraction - 1)),
                throughput=f"{progress.pages / seconds:.1f} pages/s",
            )

        scratch = _make_scratch(options.scratch_parent)
        try:
            outcome = preprocess(
                source,
                target,
                options.parameters,
                passwords=passwords,
                scratch=scratch,
                workers=options.workers,
                shard=options.shard,
                on_progress=on_progress,
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        reporter.update(percent=100.0, etaSeconds=0)
    print(summary(outcome, target, time.monotonic() - started), flush=True)
    write_termination(succeeded_message(outcome, target))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    verbose = False

    def command() -> None:
        nonlocal verbose
        stop.check()
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
        verbose = options.verbose
        start_logging(logging.INFO if verbose else logging.WARNING)
        run(options, stop)

    def on_failure(failure: Failure) -> None:
        write_termination(failed_message(STAGE_PREPROCESS, failure))

    with StopRequest(deadline_s=STOP_DEADLINE_S, on_failure=on_failure) as stop:
        return run_command(command, is_verbose=lambda: verbose, on_failure=on_failure)


def _make_scratch(parent: Path | None) -> Path:
    place = parent or Path(tempfile.gettempdir())
    with local_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="preprocess-", dir=place))


def _annotations(manifest: Manifest) -> dict[str, int]:
    return {
        category.name: sum(split.annotations[category.name] for split in manifest.splits.values())
        for category in manifest.categories
    }
