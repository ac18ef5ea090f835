"""`zoo list`, `show`, `data` and `results` from the command line, without torch."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core import __version__

Zoo = Callable[..., Any]
HEAVY = ["torch", "torchvision", "numpy", "pandas", "timm", "PIL", "sklearn"]

PLUGIN = """
from zoo_core import *

@hookimpl
def zoo_tasks():
    return [TaskSpec(name="long-task", title="T" * 300, summary="[bold]no markup[/bold]", kind="regression",
                     datasets=("folder",), metric="mse", higher_is_better=False)]

@hookimpl
def zoo_datasets():
    pattern = Signature(input_shape=(1,), outputs=1)
    return [DatasetSpec(name="folder", title="Local files", origin="real", licence="CC0-1.0", signature=pattern,
                        entry="zoo_long:D", layout="one file", homepage="https://example.org/folder", size_mib=12.5)]

@hookimpl
def zoo_models():
    return [ModelSpec(name="net", entry="zoo_long:net", options={"width": Param(default=3, help="of [red]it[/red]")})]
"""


def run(*words: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a new Python process: `-m zoo_core words`, or the code."""
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "zoo_core", *words]
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=60, env=clean | environment, check=False
    )


def rows(zoo: Zoo, *words: str) -> list[dict[str, Any]]:
    finished = zoo(*words, "--json")
    assert finished.code == 0, finished.err
    found: list[dict[str, Any]] = json.loads(finished.out)
    return found


def named(found: list[dict[str, Any]], column: str) -> dict[str, dict[str, Any]]:
    return {row[column]: row for row in found}


# zoo list


def test_zoo_list_lists_the_tasks(zoo: Zoo):
    assert zoo("list").out == zoo("list", "tasks").out
    task = named(rows(zoo, "list", "tasks"), "task")["cosine"]
    assert task["kind"] == "regression"
    assert task["metric"] == "mse"
    assert task["datasets"] == ["cosine"]
    assert set(task["models"]) == {"mlp", "linear"}
    assert task["plugin"] == "zoo-cosine"


def test_zoo_list_models_says_on_which_tasks_they_are_registered(zoo: Zoo):
    found = named(rows(zoo, "list", "models"), "model")
    assert found["linear"] == {
        "model": "linear",
        "title": "A straight line",
        "tasks": ["cosine"],
        "plugin": "zoo-cosine",
    }


def test_zoo_list_datasets_says_what_can_be_used_offline(zoo: Zoo):
    found = named(rows(zoo, "list", "datasets"), "dataset")
    assert (found["cosine"]["origin"], found["cosine"]["offline"]) == ("exact", "yes")
    assert (found["mnist"]["origin"], found["mnist"]["offline"]) == ("real", "no")


def test_zoo_list_plugins_counts_what_each_adds(zoo: Zoo):
    found = named(rows(zoo, "list", "plugins"), "plugin")["zoo-cosine"]
    assert (found["tasks"], found["datasets"], found["models"], found["commands"]) == (1, 1, 2, 0)
    assert found["state"] == "ok"


def test_zoo_list_pairs_gives_qualified_names(zoo: Zoo):
    found = rows(zoo, "list", "pairs")
    assert {"task": "zoo-cosine:cosine", "model": "zoo-cosine:mlp", "kind": "regression"} in found
    assert not [row for row in found if row["task"] == "zoo-cosine:cosine" and row["model"].startswith("zoo-mnist")]


@pytest.mark.parametrize("what", ["tasks", "models", "datasets", "plugins", "pairs"])
def test_the_table_and_the_json_of_a_listing_hold_the_same_rows(what: str, zoo: Zoo):
    table = zoo("list", what)
    found = rows(zoo, "list", what)
    lines = table.out.splitlines()
    assert table.code == 0
    assert len(lines) == len(found) + 1
    assert lines[0].split() == list(found[0])
    for line, row in zip(lines[1:], found, strict=True):
        assert line.startswith(next(iter(row.values())))


@pytest.mark.parametrize(
    ("what", "pattern", "names"),
    [
        ("tasks", "cos*", ["cosine"]),
        ("tasks", "zoo-cosine:*", ["cosine"]),
        ("models", "lin?ar", ["linear"]),
        ("datasets", "cosine", ["cosine"]),
        ("plugins", "zoo-cos*", ["zoo-cosine"]),
        ("models", "nothing-like-it*", []),
    ],
)
def test_a_pattern_chooses_by_bare_or_qualified_name(what: str, pattern: str, names: list[str], zoo: Zoo):
    assert [next(iter(row.values())) for row in rows(zoo, "list", what, pattern)] == names


def test_a_pattern_on_pairs_matches_task_or_model(zoo: Zoo):
    found = rows(zoo, "list", "pairs", "linear")
    assert [(row["task"], row["model"]) for row in found] == [("zoo-cosine:cosine", "zoo-cosine:linear")]


def test_a_pattern_that_matches_nothing_says_so(zoo: Zoo):
    finished = zoo("list", "models", "nothing*")
    assert (finished.code, finished.out) == (0, "no models match 'nothing*'\n")


def test_an_unknown_kind_of_listing_is_a_usage_error(zoo: Zoo):
    finished = zoo("list", "animals")
    assert finished.code == 2
    assert "animals" in finished.err
    assert "tasks" in finished.err


@pytest.mark.parametrize("what", ["tasks", "models", "datasets", "plugins", "pairs"])
def test_a_failed_plugin_is_named_on_standard_error_and_the_listing_goes_on(
    what: str, zoo: Zoo, make_plugin: Callable[..., Path]
):
    make_plugin("zoo-bad", "raise RuntimeError('[bold]out of paper[/bold]')", version="2.5")
    finished = zoo("list", what)
    assert finished.code == 0
    assert "cosine" in finished.out
    assert "plugin did not load: zoo-bad 2.5: RuntimeError: [bold]out of paper[/bold]" in finished.err
    assert "zoo doctor" in finished.err
    assert json.loads(zoo("list", what, "--json").out)


def test_zoo_list_plugins_shows_the_reason_of_a_failed_one(zoo: Zoo, make_plugin: Callable[..., Path]):
    make_plugin("zoo-bad", "raise RuntimeError('out of paper')")
    assert (
        named(rows(zoo, "list", "plugins"), "plugin")["zoo-bad"]["state"]
        == "RuntimeError: out of paper (zoo_bad.py, line 1)"
    )


@pytest.mark.parametrize("command", ["show", "check"])
def test_an_unusable_plugin_is_not_reported_as_unknown(
    command: str, zoo: Zoo, make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    make_plugin("zoo-bad", "raise RuntimeError('out of paper')")
    if command == "show":  # a check finds it out
        assert (
            "plugin zoo-bad did not load: RuntimeError: out of paper (zoo_bad.py, line 1); `zoo doctor` shows"
            in zoo("show", "zoo-bad").err
        )
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", "zoo-cosine")
    done = zoo(command, "zoo-bad")
    assert done.code == 2
    assert "plugin zoo-bad is disabled: ZOO_LOAD_PLUGINS does not name it" in done.err


def test_without_a_terminal_nothing_is_cut_and_brackets_are_no_markup(zoo: Zoo, make_plugin: Callable[..., Path]):
    make_plugin("zoo-long", PLUGIN)
    listed = zoo("list", "tasks")
    assert "T" * 300 in listed.out
    assert "\x1b" not in listed.out + listed.err
    assert "[bold]no markup[/bold]" in zoo("show", "long-task").out
    assert "of [red]it[/red]" in zoo("show", "net").out


# zoo show


def test_zoo_show_shows_a_task_with_its_models(zoo: Zoo):
    [task] = rows(zoo, "show", "mnist", "--json")[:1]
    assert (task["what"], task["name"], task["target"], task["chance"]) == ("task", "mnist", 0.99, 0.1)
    assert "zoo-mnist:cnn" in task["models"]
    assert "zoo-mnist:cnn" in zoo("show", "mnist").out


def test_zoo_show_shows_a_model_with_its_recipe_on_each_task(zoo: Zoo):
    [model] = rows(zoo, "show", "mlp-100")
    recipe = model["recipes"]["zoo-mnist:mnist"]
    assert model["what"] == "model"
    assert recipe["lr"]["default"] == 0.01
    assert recipe["widths"]["default"] == [100]
    assert recipe["optimizer"]["choices"] == [
        "sgd",
        "adam",
        "adamw",
        "rmsprop",
        "adagrad",
        "momentum",
        "nesterov",
        "lbfgs",
    ]
    shown = zoo("show", "mlp-100").out
    assert "recipe on zoo-mnist:mnist" in shown
    assert "sgd adam adamw rmsprop adagrad" in shown


def test_zoo_show_shows_a_dataset_and_what_its_folder_must_hold(zoo: Zoo):
    shown = zoo("show", "zoo-mnist:mnist").out
    assert "train-images-idx3-ubyte.gz" in shown
    assert "CC-BY-SA-3.0" in shown


def test_zoo_show_shows_a_plugin(zoo: Zoo):
    [plugin] = rows(zoo, "show", "zoo-cosine")
    assert plugin["what"] == "plugin"
    assert [task["name"] for task in plugin["tasks"]] == ["cosine"]
    assert zoo("show", "zoo-cosine").out.startswith("plugin zoo-cosine")


def test_zoo_show_shows_everything_with_the_same_name(zoo: Zoo):
    assert [entry["what"] for entry in rows(zoo, "show", "cosine")] == ["task", "dataset"]


def test_zoo_show_of_an_unknown_name_suggests_one(zoo: Zoo):
    finished = zoo("show", "cosin")
    assert finished.code == 2
    assert finished.out == ""
    assert finished.err == "error: unknown name 'cosin': did you mean cosine or zoo-cosine? (`zoo list`)\n"


# models that can run on a task


def test_models_for_a_task_are_those_that_can_run_on_it_the_registered_ones_first(
    zoo: Zoo, make_plugin: Callable[..., Path]
):
    make_plugin(
        "zoo-guest",
        """
        from zoo_core import Accepts, ModelSpec, hookimpl

        @hookimpl
        def zoo_models():
            common = dict(kind="image-classification", tasks=(), entry="zoo_guest:build")
            other = ModelSpec(name="colour", accepts=Accepts(channels=(2,)), **common)
            return [ModelSpec(name="fits", **common), other]
        """,
    )
    found = named(rows(zoo, "list", "models", "--for", "mnist"), "model")
    assert found["cnn"]["registered"] == "yes"
    assert found["zoo-guest:fits"]["registered"] == "no"
    assert "zoo-guest:colour" not in found
    assert "mlp" not in found
    registered = [row["registered"] for row in found.values()]
    assert registered == sorted(registered, reverse=True)
    assert "models of timm/*" in zoo("list", "models", "--for", "mnist").err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("list", "models", "--for", "mnits"), "did you mean mnist"),
        (("list", "tasks", "--for", "mnist"), "zoo list models --for mnist"),
        (("lits",), "unknown command 'lits': did you mean list?"),
        (("results", "lst"), "unknown command 'lst': did you mean list?"),
        (("data", "fech"), "unknown command 'fech': did you mean fetch?"),
        (("bench", "mnist", "--epoch", "2"), "unknown option '--epoch': did you mean --epochs?"),
        (
            ("bench", "mnist", "--lr", "0.1"),
            "unknown option '--lr': recipe keys are set with --set, such as --set lr=VALUE",
        ),
        (("bench", "mnist", "--learning-rate=1"), "such as --set lr=VALUE"),
        (("results", "--stat", "ok"), "unknown option '--stat': did you mean --status"),
    ],
)
def test_an_unknown_name_on_the_command_line_suggests_near_ones(zoo: Zoo, words: tuple[str, ...], reason: str):
    finished = zoo(*words)
    assert (finished.code, finished.out) == (2, "")
    assert reason in finished.err


def test_a_pattern_that_matches_nothing_suggests_near_names(zoo: Zoo):
    assert zoo("list", "models", "cnnn").out.startswith("no models match 'cnnn': did you mean cnn")


# zoo data


def test_zoo_data_list_says_what_can_be_used_now(zoo: Zoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    found = named(rows(zoo, "data", "list"), "dataset")
    assert found["cosine"]["state"] == "ready"
    assert found["digits"]["state"] == "ready"
    assert found["mnist"]["state"] == "to be downloaded: zoo data fetch mnist"
    assert found["mnist"]["size"] == "11.1 MiB"
    assert "to be downloaded" in zoo("data", "list").out


def test_zoo_data_list_finds_the_folders_below_a_data_root(zoo: Zoo, tmp_path: Path):
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    found = named(rows(zoo, "data", "list", "--data-root", str(tmp_path / "data")), "dataset")
    assert found["mnist"]["state"] == f"in {tmp_path / 'data' / 'mnist'}"
    assert found["cosine"]["state"] == "ready"


def test_zoo_data_list_without_a_root_says_which_data_need_one(zoo: Zoo, make_plugin: Callable[..., Path]):
    make_plugin("zoo-long", PLUGIN)
    assert named(rows(zoo, "data", "list"), "dataset")["folder"]["state"] == "needs --data-root"


def test_a_missing_data_root_is_a_usage_error(zoo: Zoo):
    finished = zoo("data", "list", "--data-root", "absent")
    assert finished.code == 2
    assert "absent is not there" in finished.err


def test_zoo_data_where_prints_the_cache(zoo: Zoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    assert json.loads(zoo("data", "where", "--json").out) == {"cache": str(tmp_path / "cache")}
    assert str(tmp_path / "cache") in zoo("data", "where").out


def test_zoo_data_where_of_a_dataset_says_what_its_folder_must_hold(zoo: Zoo, make_plugin: Callable[..., Path]):
    make_plugin("zoo-long", PLUGIN)
    places = json.loads(zoo("data", "where", "folder", "--json").out)
    assert places["layout"] == "one file"
    assert places["homepage"] == "https://example.org/folder"
    assert places["files"] == "no downloads"
    mnist = json.loads(zoo("data", "where", "zoo-mnist:mnist", "--json").out)
    assert "t10k-labels-idx1-ubyte.gz" in mnist["files"]


def test_zoo_data_where_of_an_unknown_dataset_suggests_one(zoo: Zoo):
    finished = zoo("data", "where", "mnits")
    assert finished.code == 2
    assert "did you mean mnist" in finished.err


# zoo results


def test_without_records_zoo_results_says_how_to_make_some(zoo: Zoo):
    for words in (["results"], ["results", "list"]):
        finished = zoo(*words)
        assert (finished.code, finished.out) == (0, "no records in results; `zoo bench` writes them\n")


def test_without_records_json_and_csv_are_empty_and_well_formed(zoo: Zoo):
    assert json.loads(zoo("results", "list", "--json").out) == []
    assert list(csv.DictReader(io.StringIO(zoo("results", "list", "--csv").out))) == []
    assert zoo("results", "list", "--csv").out.startswith("id,task,dataset,model,device,seed,status")


def test_json_and_csv_exclude_each_other(zoo: Zoo):
    finished = zoo("results", "list", "--json", "--csv")
    assert finished.code == 2
    assert "exclude each other" in finished.err


def test_a_filter_without_matches_says_so(zoo: Zoo):
    assert zoo("results", "list", "--task", "cosine").out == "no records in results match\n"


def test_an_unknown_record_is_a_usage_error(zoo: Zoo):
    finished = zoo("results", "show", "abc")
    assert finished.code == 2
    assert "unknown record 'abc': no record is known" in finished.err


def test_a_record_that_cannot_be_read_is_named_on_standard_error(zoo: Zoo, tmp_path: Path):
    (tmp_path / "results" / "t").mkdir(parents=True)
    (tmp_path / "results" / "t" / "bad.json").write_text("{")
    finished = zoo("results", "list", "--json")
    assert (finished.code, json.loads(finished.out)) == (0, [])
    assert "bad.json: not a record" in finished.err


# the command itself


def test_the_version_is_printed(zoo: Zoo):
    assert zoo("--version").out == f"{__version__}\n"


def test_an_unknown_command_is_a_usage_error(zoo: Zoo):
    finished = zoo("lits")
    assert finished.code == 2
    assert "lits" in finished.err


def test_listing_and_showing_import_nothing_heavy():
    code = f"""
import sys
from zoo_core.cli import main
for words in ("list", "list models", "list models --for mnist", "list pairs", "show mnist", "data list", "results"):
    sys.argv = ["zoo", *words.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
print("heavy:", [name for name in {HEAVY} if name in sys.modules])
"""
    finished = run(code=code)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == "heavy: []"


def test_without_a_terminal_there_are_no_escape_codes_and_no_lines_are_broken():
    finished = run("list", "models", COLUMNS="20", TERM="xterm-256color")
    assert finished.returncode == 0, finished.stderr
    assert "\x1b" not in finished.stdout + finished.stderr
    assert any("zoo-cosine" in line and "mlp" in line for line in finished.stdout.splitlines())


def on_a_terminal(*words: str, **environment: str) -> str:
    """Return what a command prints on a pseudo-terminal."""
    pty = pytest.importorskip("pty", reason="only POSIX has pseudo-terminals")
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment = clean | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment
    with subprocess.Popen(
        [sys.executable, "-m", "zoo_core", *words], stdout=theirs, stderr=theirs, env=environment
    ) as zoo:
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not block:
                break
            shown += block
        zoo.wait(60)
    os.close(ours)
    return shown.decode()


def test_no_color_removes_the_colours_on_a_terminal():
    """https://no-color.org allows bold text."""
    shown = on_a_terminal("show", "no-such-thing", NO_COLOR="1")
    assert "no-such-thing" in shown
    assert not [code for code in range(30, 38) if f"[{code}m" in shown or f";{code}m" in shown]
    assert "\x1b[1;31m" in on_a_terminal("show", "no-such-thing")


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["show", "mnist"]], ids=" ".join)
def test_a_closed_pipe_prints_no_traceback(words: list[str]):
    """As in `zoo list | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [sys.executable, "-m", "zoo_core", *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert finished.stderr == ""
