"""The package as `pip install` leaves it: a wheel in an environment of its own, used from a folder of the user's."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.documents.corpus import draw_corpus
from tests.support.paths import REPOSITORY
from training.storage.files import sha256_file

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Laptop:
    """A folder to work in, and the programs that were installed."""

    folder: Path
    programs: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The program as a shell would start it, with nothing that leads back to the checkout."""
        own = ("PYTHON", "TRAINING_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        command = [str(self.programs / program), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def does(self, program: str, *arguments: str) -> None:
        result = self.run(program, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """The wheel, installed beside the dependencies of this environment, but not beside its own copy of the package."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("operator", "worker", "configs"):
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shipped = source / "worker" / "training" / "model" / "base_weights" / "stand-in.pth"
    shipped.write_bytes(b"weights")
    shipped.with_suffix(".json").write_text(json.dumps({"sha256": sha256_file(shipped)}))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels = source / "wheels"
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    subprocess.run([*pip, *build], check=True)
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    packages = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    # A folder that a .pth file names is searched, but its own .pth files, which lead to the checkout, are not read.
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", *wheels.iterdir()], check=True)
    return Laptop(tmp_path_factory.mktemp("folder"), environment / "bin")


def test_documents_become_a_model_and_the_model_predicts(laptop: Laptop) -> None:
    draw_corpus(laptop.folder / "documents", documents=3, seed=21, pages=1)
    laptop.does("training-preprocess", "--source", "documents", "--working_dir", "prepared", "--workers", "2")
    config = ("--config", "config_3_cls_tiny.py", "--num-epoch", "1")
    laptop.does("training-train", "prepared/ttv", "work", *config, "--model_output", "model.pth")
    laptop.does("training-infer", "documents/pdfs/document-0001.pdf", "predicted", "--model", "model.pth")
    prediction = json.loads((laptop.folder / "predicted" / "json" / "document-0001.json").read_bytes())
    assert len(prediction["pages"]) == 1


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("training-preprocess", ["--source", "absent", "--working_dir", "prepared"]),
        ("training-train", ["absent", "work", "--model_output", "model.pth"]),
        ("training-infer", ["absent", "predicted", "--model", "model.pth"]),
    ],
)
def test_a_failure_has_the_same_exit_code_and_sentence_as_of_the_module(
    laptop: Laptop, program: str, arguments: list[str]
) -> None:
    runs = [laptop.run(program, *arguments), laptop.run("python", "-m", program.replace("-", ".", 1), *arguments)]
    errors = [[line for line in run.stderr.splitlines() if line.startswith("error: ")] for run in runs]
    assert [run.returncode for run in runs] == [66, 66]
    assert errors[0] == errors[1] != []


def test_base_weights_come_along(laptop: Laptop) -> None:
    code = "from training.model.base_weights.builtin import located; print(located('builtin://stand-in'))"
    found = laptop.run("python", "-c", code)
    assert found.stdout.startswith(str(laptop.programs.parent)), found.stderr


def test_the_package_is_the_installed_one(laptop: Laptop) -> None:
    found = laptop.run("python", "-c", "import training; print(training.__file__)").stdout
    assert found.startswith(str(laptop.programs.parent))
