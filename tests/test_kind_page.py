"""The page about a kind of your own: every block of it runs, and its examples pass all checks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.kinds.objective import OBJECTIVE_PROTOCOLS
from zoo_core.optional import TASK_PROTOCOLS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "a-kind-of-your-own.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


SPECS, TASK, SPLITS, SHORT_LINES, OWN_TASK = blocks("python")
NEW, COMMANDS = blocks("sh")


@pytest.fixture
def code(tmp_path: Path, pip_install: Callable[..., Path]) -> Path:
    """The plugin of the page, written and installed. Returns the folder of its code."""
    source = tmp_path / "source" / "src" / "zoo_sums"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text(SPECS)
    (source / "task.py").write_text(TASK)
    (tmp_path / "source" / "pyproject.toml").write_text(*blocks("toml"))
    return pip_install(tmp_path / "source", plugins=["zoo-sums"]) / "zoo_sums"


def refuse_failures(zoo: Callable[..., Any]) -> None:
    """Run every check: none fails, and only what needs a package that is not installed is left out."""
    done = zoo("check", "zoo-sums", "--json")
    assert done.code == 0, (done.out, done.err)
    results = json.loads(done.out)["results"]
    states = {(item["check"], item["state"]) for item in results if item["state"] != "passed" and item["applies"]}
    assert states <= {("onnx", "skipped")}
    assert len(results) > 40


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


def test_the_first_command_of_the_page_writes_a_task_of_62_lines(zoo: Callable[..., Any]) -> None:
    assert zoo(*NEW.split()[1:], "--defaults").code == 0
    files = Path("zoo-counts/src/zoo_counts").glob("*.py")
    assert sum(bool(line.strip()) for file in files for line in file.read_text().splitlines()) == 62


@pytest.mark.slow
def test_the_language_model_passes_its_checks_trains_and_is_on_the_board(zoo: Callable[..., Any], code: Path) -> None:
    check, *others = COMMANDS.splitlines()
    assert check == "zoo check zoo-sums"
    refuse_failures(zoo)
    for line in others:
        done = zoo(*line.split()[1:])
        assert done.code == 0, (line, done.out, done.err)
    assert "zoo-sums:gru" in "".join(path.read_text() for path in Path("site").rglob("*.html"))


@pytest.mark.slow
@pytest.mark.parametrize(("block", "name"), [(SHORT_LINES, "ShortLines"), (OWN_TASK, "OwnTask")])
def test_the_other_tasks_of_the_page_pass_the_same_checks(
    block: str, name: str, zoo: Callable[..., Any], code: Path
) -> None:
    (code / "__init__.py").write_text(SPECS.replace("zoo_sums.task:language_model", f"zoo_sums.task:{name}"))
    (code / "task.py").write_text(TASK + block)
    refuse_failures(zoo)
