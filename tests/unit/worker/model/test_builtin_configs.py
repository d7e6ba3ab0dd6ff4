"""Where the built-in configs are found."""

from pathlib import Path

from tests.support.paths import REPOSITORY
from training.model import config


def test_the_packages_own_configs_are_those_of_the_repository() -> None:
    assert config.folders({}) == [REPOSITORY / "configs"]
    assert config.find("config_3_cls_w18", download_to=Path(), environ={}).is_file()
