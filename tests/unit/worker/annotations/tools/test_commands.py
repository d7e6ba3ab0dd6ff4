"""The options of export and import."""

import pytest

from training.annotations.tools import export_command, import_command
from training.errors import ConfigError

EXPORT = ["ttv", "--split", "train", "--output", "out"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tool", "paint"], "invalid choice: 'paint'"),
        (["--tool", "cvat", "--image-prefix", "a/", "--presigned-hours", "1"], "exclude each other"),
        (["--tool", "cvat", "--presigned-hours", "169"], "S3 allows 168 at most"),
        (["--tool", "coco-annotator", "--image-prefix", ""], "coco-annotator finds images in its own folder"),
        (["--tool", "coco", "--presigned-hours", "1"], "coco finds images in its own folder"),
    ],
)
def test_options_of_export_that_make_no_sense_are_refused(options: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        export_command.parse_options([*EXPORT, *options])


def test_several_emptied_pages_may_be_named() -> None:
    options = import_command.parse_options(
        ["ttv", "x.zip", "--split", "val", "--tool", "cvat", "--emptied", "a.jpg", "b.jpg", "--dry-run"]
    )
    assert (options.emptied, options.dry_run, options.exported) == (("a.jpg", "b.jpg"), True, "x.zip")
