"""The page about a kind of your own: every block of it runs, and its examples pass all checks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo_core.kinds.objective import OBJECTIVE_PROTOCOLS
from zoo_core.optional import TASK_PROTOCOLS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "a-kind-of-your-own.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


SPECS, TASK, SPLITS, SHORT_LINES, OWN_TASK = blocks("python")
NEW, COMMANDS = blocks("sh")


class Package:
    """The plugin of the page, in a folder of its own, and the environment in which it is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "installed"
        path = os.pathsep.join([str(self.home), os.environ.get("PYTHONPATH", "")])
        plugins = f"{os.environ['ZOO_LOAD_PLUGINS']},zoo-sums"
        self.environment = {**os.environ, "PYTHONPATH": path, "ZOO_LOAD_PLUGINS": plugins}
        self.code = self.home / "zoo_sums"
        source = folder / "source" / "src" / "zoo_sums"
        source.mkdir(parents=True)
        (source / "__init__.py").write_text(SPECS)
        (source / "task.py").write_text(TASK)
        (folder / "source" / "pyproject.toml").write_text(*blocks("toml"))
        install = "pip install -q --disable-pip-version-check --no-deps --no-build-isolation --target"
        subprocess.run([sys.executable, "-m", *install.split(), self.home, folder / "source"], check=True)

    def run(self, *words: str) -> str:
        command = [sys.executable, "-m", "zoo_core", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def refuse_failures(self) -> None:
        """Run every check: none fails, and only what needs a package that is not installed is left out."""
        results = json.loads(self.run("check", "zoo-sums", "--json"))["results"]
        states = {(item["check"], item["state"]) for item in results if item["state"] != "passed" and item["applies"]}
        assert states <= {("onnx", "skipped")}
        assert len(results) > 40


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return Package(tmp_path_factory.mktemp("page"))


def test_a_language_model_with_its_data_takes_an_author_72_lines() -> None:
    assert sum(bool(line.strip()) for line in (SPECS + TASK).splitlines()) <= 72


def test_the_block_about_splits_runs() -> None:
    exec(compile(SPLITS, str(PAGE), "exec"), {})


def test_every_method_of_an_objective_and_of_a_task_is_on_the_page() -> None:
    text = PAGE.read_text()
    for protocol in OBJECTIVE_PROTOCOLS:
        for name in (name for name in vars(protocol) if not name.startswith("_")):
            assert f"`{name}(" in text, name
    assert all(f"{name}(" in text for name in ("prepare", "train", "evaluate", "epoch_steps", "example_input"))


@pytest.mark.parametrize("protocol", [*OBJECTIVE_PROTOCOLS, *TASK_PROTOCOLS], ids=lambda item: item.__name__)
def test_every_interface_and_each_of_its_methods_says_what_it_is_for(protocol: type) -> None:
    assert (protocol.__doc__ or "").strip()
    for name, member in vars(protocol).items():
        if not name.startswith("_") and callable(member):
            assert (member.__doc__ or "").strip(), name


def test_the_first_command_of_the_page_writes_a_task_of_62_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zoo_core", *NEW.split()[1:], "--defaults"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    files = (tmp_path / "zoo-counts" / "src" / "zoo_counts").glob("*.py")
    assert sum(bool(line.strip()) for file in files for line in file.read_text().splitlines()) == 62


@pytest.mark.slow
def test_the_language_model_passes_its_checks_trains_and_is_on_the_board(package: Package) -> None:
    for line in COMMANDS.splitlines():
        package.run(*line.split()[1:])
    package.refuse_failures()
    assert "zoo-sums:gru" in "".join(path.read_text() for path in (package.folder / "site").rglob("*.html"))


@pytest.mark.slow
@pytest.mark.parametrize(("block", "name"), [(SHORT_LINES, "ShortLines"), (OWN_TASK, "OwnTask")])
def test_the_other_tasks_of_the_page_pass_the_same_checks(block: str, name: str, package: Package) -> None:
    (package.code / "__init__.py").write_text(SPECS.replace("zoo_sums.task:language_model", f"zoo_sums.task:{name}"))
    (package.code / "task.py").write_text(TASK + block)
    package.refuse_failures()
