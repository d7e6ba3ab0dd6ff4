"""Logging of a command: time-stamped lines on stderr; from chatty libraries only warnings and errors."""

import logging

QUIET = ("boto3", "botocore", "s3transfer", "urllib3", "matplotlib", "PIL")  # they log every request and every font


def start_logging(level: int) -> None:
    """Log to stderr, from `level` on. Must be called before anything logs."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
