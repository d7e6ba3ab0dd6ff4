"""`python3 -m training.annotations import`: what a correction tool exports, as the labels of a dataset's split."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.annotations.tools.corrections import corrections
from training.annotations.tools.dataset_split import open_split
from training.annotations.tools.tool import TOOLS, unpacked
from training.dataset.coco import CocoDataset
from training.dataset.split import SPLITS
from training.errors import ConfigError
from training.options import OptionParser
from training.storage.uri import open_parent


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of the command line."""

    dataset: str
    exported: str
    split: str
    tool: str
    emptied: tuple[str, ...]
    dry_run: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Parses and checks the command line. Raises ConfigError for wrong options, SystemExit for --help."""
    parser = OptionParser(
        prog="python3 -m training.annotations import",
        description="Makes a correction tool's export the labels of a split, and says what has changed.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's ttv folder: a path or s3://")
    parser.add_argument(
        "exported", metavar="EXPORT", help="the tool's file, or the .zip that holds it: a path or s3://"
    )
    parser.add_argument("--split", required=True, choices=SPLITS, help="whose labels are corrected")
    parser.add_argument("--tool", required=True, choices=TOOLS, help="the tool; coco is any other that exports COCO")
    parser.add_argument(
        "--emptied",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="file names of pages whose labels were all deleted, where the export does not list such pages",
    )
    parser.add_boolean("--dry-run", description="say what has changed, and write nothing")
    parsed = parser.parse_args(list(arguments))
    return Options(**{**vars(parsed), "emptied": tuple(parsed.emptied)})


def run(arguments: Sequence[str]) -> None:
    """Prints what has changed, and writes it if anything has. Raises the typed errors."""
    options = parse_options(arguments)
    source, name = open_parent(options.exported)
    content = TOOLS[options.tool].read(*unpacked(source.read_bytes(name), source.uri(name)))
    split = open_split(options.dataset, options.split)
    unknown = [page for page in options.emptied if page not in split.sizes]
    if unknown:
        raise ConfigError(f"--emptied names {', '.join(unknown)}, which {split.where} does not have; check the names.")
    found = corrections(
        content, source.uri(name), split.pages, split.sizes, others=split.others, emptied=options.emptied
    )
    print(found.summary(split.name))
    if found.pages == split.pages:
        print(f"{split.where} stays as it is")
    elif options.dry_run:
        print(f"{split.where} is not written, as --dry-run asks")
    else:
        kept = split.replace("".join(CocoDataset(found.pages).pieces()).encode())
        print(f"wrote {split.where}; the file before is {kept}")
