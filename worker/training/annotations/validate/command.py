"""`python3 -m training.annotations validate SOURCE`: says all that is wrong with documents, in seconds.

SOURCE is a folder or s3://bucket/folder with pdfs/ and json/. Exit code 0, or 65 if there is a fault.
"""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from training.annotations.progress import ProgressLine
from training.annotations.validate import check
from training.annotations.validate.check import CheckOptions
from training.annotations.validate.findings import Findings
from training.annotations.validate.frame import FrameOptions
from training.annotations.validate.run import Validation
from training.documents.passwords import Passwords
from training.documents.render import RenderOptions
from training.errors import DataError
from training.labels.frames.frame import Coordinates
from training.labels.frames.options import add_annotation_options, page_box
from training.options import OptionParser, positive_integer
from training.process.container import available_cpus
from training.process.logs import start_logging
from training.process.pool import warm_up
from training.storage.uri import open_storage


def run(arguments: Sequence[str]) -> None:
    """Checks the documents and prints what was found. Raises DataError if there is a fault, ConfigError for options."""
    parser = OptionParser(prog="python3 -m training.annotations validate", description=__doc__ or "")
    parser.add_argument("source", metavar="SOURCE", help="folder with pdfs/ and json/: a path or s3://bucket/folder")
    add_annotation_options(parser)
    parser.add_argument(
        "--dpi",
        type=positive_integer,
        default=RenderOptions.dpi,
        help=f"resolution at which preprocess is to draw the pages ({RenderOptions.dpi})",
    )
    parser.add_argument("--passwords", type=Path, help="YAML file: document name -> password, '*' for all others")
    parser.add_argument("--workers", type=positive_integer, help="processes that check documents (all CPUs)")
    parser.add_boolean("--json", description="print one JSON object instead of lines")
    parsed = parser.parse_args(arguments)
    frame = FrameOptions(
        RenderOptions(parsed.dpi).dpi,
        Coordinates.parse(parsed.coordinates),
        page_box(parsed.frame),
    )
    start_logging(logging.WARNING)
    warm_up(check.__name__)
    passwords = Passwords.read(parsed.passwords) if parsed.passwords else Passwords()
    with tempfile.TemporaryDirectory(prefix="validate-") as scratch:
        validation = Validation(
            source=open_storage(parsed.source),
            options=CheckOptions(parsed.format, frame),
            passwords=passwords,
            scratch=Path(scratch),
            workers=parsed.workers or available_cpus(),
        )
        findings = validation.findings(ProgressLine("checked"))
    print(json.dumps(findings.to_json(), indent=1) if parsed.json else "\n".join(findings.lines()), flush=True)
    check_findings(findings)


def check_findings(findings: Findings) -> None:
    """Raises DataError if there are faults, or no documents."""
    if not findings.documents:
        raise DataError("There is no document; the source must hold pdfs/<name>.pdf and json/<name>.json.")
    if findings.faulty:
        raise DataError(
            f"{len(findings.faulty)} of {len(findings.documents)} documents have faults; correct the files that are "
            "named above, or take these documents out."
        )
