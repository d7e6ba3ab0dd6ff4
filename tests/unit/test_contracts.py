"""The contracts of pyproject.toml hold: an import that one forbids, put into a copy of the source, breaks it alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter import api
from importlinter.application.use_cases import create_report, read_user_options
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.contract import registry

from tests.support.paths import REPOSITORY

PYPROJECT = str(REPOSITORY / "pyproject.toml")
PACKAGES = {"trainingrun_operator": "operator", "training": "worker"}
CONTRACTS = {options["name"]: options for options in api.read_configuration(PYPROJECT)["contracts_options"]}
LAYERED = [name for name, options in CONTRACTS.items() if options["type"] == "layers"]


class Source:
    """A copy of both packages' source, in which tests write what they like."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for package, folder in PACKAGES.items():
            source = REPOSITORY / folder / package
            shutil.copytree(source, root / package, ignore=shutil.ignore_patterns("__pycache__", "configs"))

    def file(self, module: str) -> Path:
        path = self.root / module.replace(".", "/")
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def add(self, module: str, statement: str) -> None:
        assert self.file(module).exists(), f"there is no module {module} any more: name another one"
        with self.file(module).open("a") as file:
            file.write(f"\n{statement}\n")

    def broken_contracts(self) -> list[str]:
        report = create_report(read_user_options(PYPROJECT), cache_dir=None)
        assert not report.could_not_run, report.invalid_contract_options
        return [contract.name for contract, check in report.get_contracts_and_checks() if not check.kept]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    for kind, contract in (
        ("forbidden", ForbiddenContract),
        ("independence", IndependenceContract),
        ("layers", LayersContract),
    ):
        registry.register(contract, kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        for package in PACKAGES:  # import-linter asks for these two where their source is
            patch.delitem(sys.modules, package, raising=False)
        yield Source(tmp_path)


def wrong_import(options: dict[str, list[str]]) -> tuple[str, str]:
    """Who may not import whom, by a contract's own words."""
    if "modules" in options:
        return options["modules"][0], options["modules"][1]
    if "layers" in options:
        highest, lowest = (options["layers"][at].split("|")[0].strip() for at in (0, -1))
        return f"{options['containers'][0]}.{lowest}", f"{options['containers'][0]}.{highest}"
    return options["source_modules"][0], options["forbidden_modules"][-1]


def test_the_source_as_it_is_breaks_no_contract(source: Source) -> None:
    assert source.broken_contracts() == []


@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_a_contract_forbids_breaks_it_and_no_other(source: Source, contract: str) -> None:
    importer, imported = wrong_import(CONTRACTS[contract])
    source.add(importer, f"import {imported}")
    assert source.broken_contracts() == [contract]


@pytest.mark.parametrize("contract", LAYERED)
def test_a_new_module_must_be_given_a_floor(source: Source, contract: str) -> None:
    (container,) = CONTRACTS[contract]["containers"]
    (source.root / container.replace(".", "/") / "newcomer.py").touch()
    assert source.broken_contracts() == [contract]


# What the architecture promises, whatever the contracts that hold it are called: a distinct part of a name suffices.
@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("training.options", "import training.storage", "worker's floors"),
        ("training.preprocess.chunk", "import training.infer.tables", "no command knows another"),
        ("training.train.checkpoints.store", "import training.train.plan", "train's floors"),
        ("training.train.plan", "import mmcv", "known without torch"),
        ("training.infer.pipeline", "def late():\n    from training.model import detector", "known without torch"),
        ("training.tracking.archive", "import botocore", "knows boto3"),
        ("training.storage.local", "from subprocess import run", "Programs are started in training.documents alone"),
        ("training.geometry", "def late():\n    import time", "pure asks no disk, clock, network or process"),
        ("trainingrun_operator.observation.store", "import kopf", "know kopf"),
        ("trainingrun_operator.endpoints.gateway", "from kubernetes import client", "talks to the API server"),
        ("training.errors", "import trainingrun_operator.queue", "share nothing"),
    ],
)
def test_what_the_architecture_promises_is_held_by_one_contract(
    source: Source, module: str, statement: str, contract: str
) -> None:
    source.add(module, statement)
    (broken,) = source.broken_contracts()
    assert contract in broken
