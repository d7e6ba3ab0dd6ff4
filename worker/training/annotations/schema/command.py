"""`python3 -m training.annotations schema FORMAT`: prints the JSON Schema of an annotation format.

docs/schemas/ holds what this prints (`make schemas`).
"""

import json
from collections.abc import Sequence

from training.badgerdoc.schema import SCHEMAS
from training.options import OptionParser


def schema_text(annotation_format: str) -> str:
    """The schema of one of the formats in SCHEMAS, as JSON text."""
    return json.dumps(SCHEMAS[annotation_format](), indent=2) + "\n"


def run(arguments: Sequence[str]) -> None:
    """Prints a schema. Raises ConfigError for wrong options."""
    parser = OptionParser(
        prog="python3 -m training.annotations schema",
        description="Prints the JSON Schema of an annotation format (docs/annotations.md).",
    )
    parser.add_argument("format", choices=tuple(SCHEMAS), help="the format that it describes")
    print(schema_text(parser.parse_args(arguments).format), end="")
