"""`zoo new`: the package that it writes installs, passes its checks, trains and is on the board, without an edit."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zoo_core.cli import new as command
from zoo_core.cli.scaffold import kinds, write

WORDS: dict[str, tuple[str, ...]] = {
    "model": ("model", "tiny-net", "--task", "mnist"),
    "dataset": ("dataset", "tiny-pictures"),
    "task": ("task", "tiny-task"),
    "plugin": ("plugin", "tiny-plugin", "--kind", "regression"),
    "own kind": ("task", "tiny-own", "--kind", "zoo-tiny-own/counts"),
}
WRITTEN = {
    "model": {"zoo_tiny_net.py", "tests/test_tiny_net.py"},
    "dataset": {"zoo_tiny_pictures.py", "tests/test_tiny_pictures.py"},
    "task": {"zoo_tiny_task.py", "tests/test_tiny_task.py"},
    "plugin": {
        *(f"src/zoo_tiny_plugin/{name}.py" for name in ("__init__", "data", "models")),
        "tests/test_tiny_plugin.py",
    },
    "own kind": {*(f"src/zoo_tiny_own/{name}.py" for name in ("__init__", "task")), "tests/test_tiny_own.py"},
}
ALL = {"LICENSE", "README.md", "pyproject.toml"}


def authors_lines(path: Path) -> int:
    """Lines that an author would have written: all that are not empty."""
    return sum(bool(line.strip()) for line in path.read_text().splitlines())


def next_commands(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.startswith("  ")]


@pytest.mark.parametrize("what", WORDS)
def test_a_package_has_all_that_it_needs_and_says_what_to_do_next(what: str, zoo: Callable[..., Any]) -> None:
    done = zoo("new", *WORDS[what], "--defaults")
    assert done.code == 0, done.err
    name = WORDS[what][1]
    folder = Path(f"zoo-{name}")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == ALL | WRITTEN[what]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"zoo-{name}"
    assert project["entry-points"]["zoo"] == {f"zoo-{name}": f"zoo_{name}".replace("-", "_")}
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text())
    assert "$" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    commands = next_commands(done.out)
    assert commands[0] == ["pip", "install", "-e", f"./zoo-{name}"]
    assert [words[1] for words in commands[1:]] == ["check", "bench", "leaderboard"]
    assert "--offline" in commands[2]
    assert not list(Path().glob(".zoo-new-*"))


def test_an_author_of_a_model_has_25_lines_and_of_a_task_80(zoo: Callable[..., Any]) -> None:
    for number, kind in enumerate(kinds()):
        zoo("new", "model", f"net-{number}", "--kind", kind, "--defaults")
        zoo("new", "task", f"task-{number}", "--kind", kind, "--defaults")
    assert all(authors_lines(path) <= 25 for path in Path().glob("zoo-net-*/zoo_*.py"))
    assert all(authors_lines(path) <= 80 for path in Path().glob("zoo-task-*/zoo_*.py"))
    assert len(list(Path().glob("zoo-*/zoo_*.py"))) == 2 * len(kinds())


def test_an_author_of_a_task_with_its_own_kind_has_62_lines(zoo: Callable[..., Any]) -> None:
    zoo("new", *WORDS["own kind"], "--defaults")
    assert sum(map(authors_lines, Path("zoo-tiny-own/src/zoo_tiny_own").glob("*.py"))) == 62


@pytest.mark.parametrize("kind", kinds())
def test_a_new_data_set_names_an_installed_model_for_its_first_bench(kind: str, zoo: Callable[..., Any]) -> None:
    bench = next_commands(zoo("new", "dataset", "tiny-data", "--kind", kind, "--defaults").out)[2]
    model = bench[bench.index("--model") + 1]
    shown = json.loads(zoo("show", model, "--json").out)
    assert [entry["kind"] for entry in shown] == [kind]


def test_titles_authors_and_licences_come_where_they_belong_whatever_they_hold(zoo: Callable[..., Any]) -> None:
    words = ("--title", 'The "best" \\ net', "--author", "Ада $name", "--licence", "Apache-2.0", "--out", "a/b c")
    done = zoo("new", "task", "quoted", *words)
    assert done.code == 0, done.err
    assert "pip install -e './a/b c'" in done.out
    project = tomllib.loads(Path("a/b c/pyproject.toml").read_text())["project"]
    assert project["description"] == 'The "best" \\ net'
    assert project["authors"] == [{"name": "Ада $name"}]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in Path("a/b c/LICENSE").read_text()
    tree = ast.parse(Path("a/b c/zoo_quoted.py").read_text())
    assert 'The "best" \\ net' in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model", "Tiny_Net", "--task", "mnist"), "model name 'Tiny_Net': use up to 40 of a-z, 0-9"),
        (("model", "a--b", "--task", "mnist"), "use up to 40 of a-z, 0-9"),
        (("model", "../evil", "--task", "mnist"), "use up to 40 of a-z, 0-9"),
        (("model", "n" * 41, "--task", "mnist"), "use up to 40 of a-z, 0-9"),
        (("plugin", "cosine"), "a plugin zoo-cosine is already installed"),
        (("model", "linear", "--task", "cosine"), "plugin zoo-cosine already adds a model 'linear'"),
        (("task", "digits"), "plugin zoo-mnist already adds a dataset 'digits'"),
        (("model", "x", "--task", "mnits"), "did you mean mnist?"),
        (("model", "x"), "give the task that the model is for with --task"),
        (("task", "x", "--kind", "regresion"), "did you mean regression?"),
        (("model", "x", "--task", "mnist", "--kind", "regression"), "task mnist is of kind image-classification"),
        (("task", "x", "--kind", "zoo-y/counts"), "write zoo-x/KIND, with KIND of a-z"),
        (("task", "x", "--kind", "zoo-x/Counts"), "write zoo-x/KIND, with KIND of a-z"),
        (("task", "x", "--kind", "zoo-x/"), "write zoo-x/KIND, with KIND of a-z"),
        (("model", "x", "--kind", "zoo-x/counts"), "only a new task can define a kind: zoo new task x --kind"),
        (("task", "x", "--licence", "GPL"), "unknown licence 'GPL'"),
        (("task", "x", "--title", "two\nlines"), "give one line of text"),
        (("task", "x", "--author", '"""'), "give one line of text"),
        (("task", "x", "--out", "full"), "full exists and is not an empty folder"),
        (("task", "core"), "a Python module zoo_core already exists"),
    ],
)
def test_an_invalid_command_is_refused_in_one_line_and_nothing_is_written(
    words: tuple[str, ...], said: str, zoo: Callable[..., Any]
) -> None:
    Path("full").mkdir()
    Path("full", "mine.txt").write_text("mine")
    done = zoo("new", *words, "--defaults")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["full"]


def test_a_name_with_its_prefix_is_taken_without_it_and_an_empty_folder_is_filled(zoo: Callable[..., Any]) -> None:
    Path("zoo-mine").mkdir()
    assert zoo("new", "task", "zoo-mine", "--defaults").code == 0
    assert Path("zoo-mine/zoo_mine.py").is_file()


def test_nothing_is_left_of_a_package_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File exists"):
        write(tmp_path / "p", {"a": "text", "a/b": "text"})
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks_for_missing_options(zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(question: str, default: str = "") -> str:
        asked.append(question.partition(" ")[0])
        return {"Task": "cosine", "Title": "Asked for"}.get(asked[-1], default)

    monkeypatch.setattr(command.typer, "prompt", answer)
    monkeypatch.setattr(command.sys.stdin, "isatty", lambda: True, raising=False)
    assert zoo("new", "model", "asked", "--licence", "MIT").code == 0
    assert asked == ["Task", "Title", "Author"]
    assert 'title="Asked for"' in Path("zoo-asked/zoo_asked.py").read_text()
    assert 'tasks=("zoo-cosine:cosine",)' in Path("zoo-asked/zoo_asked.py").read_text()


def commands_of_tests(package: Path, zoo: Callable[..., Any]) -> list[list[str]]:
    """Run the tests of a package, and the `zoo` commands that they start, in this process; return these commands."""
    called = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert words[:3] == [sys.executable, "-m", "zoo_core"]
        called.append(words[3:])
        done = zoo(*words[3:])
        return subprocess.CompletedProcess(words, done.code, done.out, done.err)

    for path in package.glob("tests/test_*.py"):
        module: dict[str, Any] = {}
        exec(compile(path.read_text(), path, "exec"), module)
        module["subprocess"] = SimpleNamespace(run=run)
        for name in [name for name in module if name.startswith("test_")]:
            module[name]()
    return called


@pytest.mark.slow
def test_from_the_first_command_to_the_board_nothing_is_edited(
    zoo: Callable[..., Any], pip_install: Callable[..., Path]
) -> None:
    """The five commands that a new author types, for each sort of package; pip installs into a folder."""
    names = [f"zoo-{words[1]}" for words in WORDS.values()]
    commands = [next_commands(zoo("new", *words, "--defaults").out) for words in WORDS.values()]
    pip_install(*(f"./{name}" for name in names), plugins=names)
    listed = zoo("list", "plugins").out
    for name, (_, check, bench, _) in zip(names, commands, strict=True):
        assert name in listed
        assert commands_of_tests(Path(name), zoo) == [check[1:]]
        done = zoo(*bench[1:], "--max-steps", "5", "--device", "cpu")
        assert "1 new, 0 failed" in done.out, done.err
    (build,) = {tuple(words[-1]) for words in commands}
    assert zoo(*build[1:]).code == 0
    pages = "".join(path.read_text() for path in Path("site").rglob("*.html"))
    assert all(words[1] in pages for words in WORDS.values())
