"""What a command logs: lines with their time, and of libraries only what is wrong."""

import logging

QUIET = ("boto3", "botocore", "s3transfer", "urllib3", "matplotlib", "PIL")  # they tell of every request and every font


def start_logging(level: int) -> None:
    """To stderr, from this level on; before anything logs."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
