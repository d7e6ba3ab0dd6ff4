"""`python3 -m training.annotations export`: a split's labels, as files that a correction tool imports."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from training.annotations.tools.dataset_split import DatasetSplit, open_split
from training.annotations.tools.tool import TOOLS, Address
from training.dataset.split import SPLITS
from training.errors import ConfigError
from training.options import OptionParser, positive_integer
from training.storage.uri import S3_SCHEME, open_storage

LOCAL_FILES = "/data/local-files/?d="
MOST_HOURS = 168  # of a presigned URL, in S3's signature version 4


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of the command line."""

    dataset: str
    split: str
    tool: str
    output: str
    image_prefix: str | None  # None: the tool's own
    presigned_hours: int | None  # None: no presigned URLs


def parse_options(arguments: Sequence[str]) -> Options:
    """Parses and checks the command line. Raises ConfigError for wrong options, SystemExit for --help."""
    parser = OptionParser(
        prog="python3 -m training.annotations export",
        description="Writes a split's labels as files that a correction tool imports.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's ttv folder: a path or s3://")
    parser.add_argument("--split", required=True, choices=SPLITS, help="whose labels are written")
    parser.add_argument("--tool", required=True, choices=TOOLS, help="the tool; coco is any other that imports COCO")
    parser.add_argument("--output", required=True, help="folder for the files: a path or s3://")
    parser.add_argument(
        "--image-prefix",
        metavar="TEXT",
        help="what stands before each image's name where the tool finds it: a URL or a folder (label-studio: the "
        f"dataset's s3:// address, or {LOCAL_FILES} with the folder below ttv; cvat: nothing)",
    )
    parser.add_argument(
        "--presigned-hours",
        type=positive_integer,
        metavar="HOURS",
        help=f"name images by presigned URLs that are valid so long, at most {MOST_HOURS}; the dataset must be in S3",
    )
    options = Options(**vars(parser.parse_args(list(arguments))))
    places = [options.image_prefix is not None, options.presigned_hours is not None]
    if all(places):
        raise ConfigError("--image-prefix and --presigned-hours exclude each other; leave one out.")
    if any(places) and not TOOLS[options.tool].takes_addresses:
        raise ConfigError(
            f"{options.tool} finds images in its own folder; leave --image-prefix and --presigned-hours out."
        )
    if (options.presigned_hours or 0) > MOST_HOURS:
        raise ConfigError(f"--presigned-hours is {options.presigned_hours}; S3 allows {MOST_HOURS} at most.")
    return options


def run(arguments: Sequence[str]) -> None:
    """Writes the files and prints their names. Raises the typed errors."""
    options = parse_options(arguments)
    target = open_storage(options.output)
    target.check_writable()
    split = open_split(options.dataset, options.split)
    files = TOOLS[options.tool].write(split.name, split.pages, _address(options, split))
    for name, data in files.items():
        target.write_bytes(name, data)
    labels = sum(len(page.boxes) for page in split.pages)
    print(f"{split.name}: {len(split.pages)} pages with {labels} labels for {options.tool}")
    for name in files:
        print(f"wrote {target.uri(name)}")


def _address(options: Options, split: DatasetSplit) -> Address:
    """Where the tool finds the image of a file name."""
    if options.presigned_hours is not None:
        expires_s = options.presigned_hours * 3600
        return lambda name: split.storage.presigned_url(split.image_key(name), expires_s=expires_s)
    prefix = options.image_prefix
    if prefix is None:
        prefix = ""
        if options.tool == "label-studio":
            folder = split.image_key("")
            prefix = (
                split.storage.uri() + f"/{folder}" if options.dataset.startswith(S3_SCHEME) else LOCAL_FILES + folder
            )
    is_url = prefix.startswith(("http://", "https://")) or "?" in prefix
    return lambda name: prefix + (quote(name) if is_url else name)
