"""A broken plugin is reported with its reason, and the others load."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import distributions, entry_points
from pathlib import Path
from typing import Any

import pluggy
import pytest

from zoo_core import hookspecs
from zoo_core.errors import UnknownNameError
from zoo_core.registry import Registry
from zoo_core.registry import entry_points as entry_points_module
from zoo_core.registry.entry_points import entry_points as entry_points_of_folders
from zoo_core.registry.plugins import FailedPlugin, discover

MakePlugin = Callable[..., Path]

HEAD = "from zoo_core import *\n"
TASK = (
    'TaskSpec(name={name!r}, title="", summary="", kind={kind!r}, datasets=("d",), metric="m", higher_is_better=True)'
)


def returning(hook: str, value: str) -> str:
    return f"{HEAD}@hookimpl\ndef {hook}():\n    return {value}\n"


def task(name: str, kind: str = "regression") -> str:
    return TASK.format(name=name, kind=kind)


BROKEN = {
    "raises at import": ("raise RuntimeError('out of paper')", ["RuntimeError: out of paper"]),
    "ends the program at import": ("raise SystemExit('goodbye')", ["SystemExit: goodbye"]),
    "ends the program with a number": ("import sys\nsys.exit(3)", ["SystemExit: 3"]),
    "has a syntax error": ("def broken(:\n", ["SyntaxError"]),
    "imports what is not installed": ("import no_such_package_here", ["ModuleNotFoundError", "no_such_package_here"]),
    "raises when asked": (f"{HEAD}@hookimpl\ndef zoo_models():\n    return 1 / 0\n", ["ZeroDivisionError"]),
    "ends the program when asked": (f"{HEAD}@hookimpl\ndef zoo_tasks():\n    raise SystemExit('no')\n", ["SystemExit"]),
    "returns words": (returning("zoo_tasks", "['cosine']"), ["zoo_tasks", "str", "TaskSpec", "'cosine'"]),
    "returns what is no list": (returning("zoo_models", "3"), ["zoo_models", "int"]),
    "returns one spec instead of a list": (returning("zoo_tasks", task("t")), ["zoo_tasks", "TaskSpec"]),
    "returns specs of another hook": (returning("zoo_datasets", f"[{task('t')}]"), ["zoo_datasets", "DatasetSpec"]),
    "implements an unknown hook": (returning("zoo_taskz", "[]"), ["'zoo_taskz'", "zoo_tasks", "zoo_models"]),
    "has a hook with an argument": (
        f"{HEAD}@hookimpl\ndef zoo_tasks(config):\n    return []\n",
        ["zoo_tasks", "config"],
    ),
    "has a spec with a bad name": (returning("zoo_tasks", f"[{task('Bad Name')}]"), ["TaskSpec", "'Bad Name'"]),
    "has two specs of one name": (returning("zoo_tasks", f"[{task('t')}, {task('t')}]"), ["zoo_tasks", "'t'"]),
    "forgets a field": (returning("zoo_tasks", "[TaskSpec(name='t')]"), ["TypeError", "title"]),
}


def failure(name: str) -> FailedPlugin:
    """The only failed plugin, once it is certain that the sound ones loaded."""
    plugins, failed = discover()
    assert "zoo-cosine" in [plugin.name for plugin in plugins]
    assert name not in [plugin.name for plugin in plugins]
    [found] = failed
    assert found.name == name
    return found


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_that_is_broken_is_named_with_its_reason_and_the_others_load(case: str, make_plugin: MakePlugin):
    source, words = BROKEN[case]
    make_plugin("zoo-bad", source, version="2.5")
    found = failure("zoo-bad")
    assert found.version == "2.5"
    assert found.traceback.startswith("Traceback")
    assert [word for word in words if word not in found.reason] == [], found.reason
    assert "\n" not in found.reason


def test_a_broken_plugin_does_not_spoil_those_that_come_after_it(make_plugin: MakePlugin):
    for number, (source, _) in enumerate(BROKEN.values()):
        make_plugin(f"zoo-a-bad-{number}", source)
    make_plugin("zoo-z-sound", returning("zoo_tasks", f"[{task('sound')}]"))
    plugins, failed = discover()
    assert len(failed) == len(BROKEN)
    sound = {plugin.name: plugin for plugin in plugins}
    assert [spec.qualified for spec in sound["zoo-z-sound"].tasks] == ["zoo-z-sound:sound"]
    assert [spec.name for spec in sound["zoo-cosine"].tasks] == ["cosine"]


HELPER = f"""{HEAD}
def size():
    return int("wide")

@hookimpl
def zoo_models():
    return [size()]
"""


def test_an_error_below_a_hook_names_the_hook_with_its_place_and_the_line_that_raised(make_plugin: MakePlugin):
    make_plugin("zoo-bad", HELPER)
    found = failure("zoo-bad")
    assert found.reason == (
        "ValueError: invalid literal for int() with base 10: 'wide' in hook zoo_models of zoo_bad.py, line 6 "
        "(zoo_bad.py, line 4, in size)"
    )
    named = [line for line in found.traceback.splitlines() if line.startswith("  File ")]
    assert [line.rpartition(", ")[2] for line in named] == ["in zoo_models", "in size"]


def test_a_spec_that_is_refused_names_the_hook_that_returned_it_with_its_place(make_plugin: MakePlugin):
    make_plugin("zoo-bad", returning("zoo_tasks", f"[{task('Bad Name')}]"))
    assert failure("zoo-bad").reason.endswith("in hook zoo_tasks of zoo_bad.py, line 2")


def test_an_interrupt_while_plugins_load_is_not_swallowed(make_plugin: MakePlugin):
    make_plugin("zoo-slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        discover()


def test_a_plugin_with_a_bad_name_is_failed(make_plugin: MakePlugin):
    make_plugin("Zoo-Bad", "")
    assert "plugin name 'Zoo-Bad'" in failure("Zoo-Bad").reason


def second_distribution(first: Path, distribution: str, version: str) -> None:
    """Another installed distribution whose entry point has the name and the module of the first one."""
    info = next(first.glob("*.dist-info"))
    other = first / f"{distribution.replace('-', '_')}-{version}.dist-info"
    shutil.copytree(info, other)
    (other / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")


def test_of_two_distributions_with_one_plugin_name_one_is_left_out_and_named(make_plugin: MakePlugin):
    folder = make_plugin("zoo-twin", returning("zoo_tasks", f"[{task('t')}]"))
    second_distribution(folder, "zoo-twin-copy", "9.0")
    plugins, failed = discover()
    assert [plugin.name for plugin in plugins].count("zoo-twin") == 1
    assert "zoo-cosine" in [plugin.name for plugin in plugins]
    [found] = failed
    assert found.name == "zoo-twin"
    assert "two installed plugins are named 'zoo-twin'" in found.reason


def test_a_task_of_an_unknown_kind_makes_its_plugin_a_failed_one(make_plugin: MakePlugin):
    make_plugin("zoo-odd", returning("zoo_tasks", f"[{task('odd', 'regresion')}]"))
    registry = Registry.load()
    assert {plugin.name for plugin in registry.plugins} >= {"zoo-cosine"}
    assert "odd" not in [spec.name for spec in registry.tasks]
    [found] = registry.failed
    assert found.name == "zoo-odd"
    assert "unknown kind 'regresion': did you mean regression?" in found.reason
    assert "task odd" in found.reason


def test_a_usable_plugin_has_its_specs_and_metadata(make_plugin: MakePlugin):
    make_plugin(
        "zoo-all",
        HEAD
        + f"""
@hookimpl
def zoo_tasks():
    return [{task("t")}]

@hookimpl
def zoo_datasets():
    pattern = Signature(input_shape=(1,), outputs=1)
    return [DatasetSpec(name="d", title="", origin="exact", licence="", signature=pattern, entry="zoo_all:D")]

@hookimpl
def zoo_models():
    yield ModelSpec(name="m", entry="zoo_all:m")
    yield ModelFamily(prefix="all/", title="", entry="zoo_all:family")

@hookimpl
def zoo_commands():
    return (CommandSpec(name="greet", help="", entry="zoo_all:app"),)
""",
        version="3.1",
    )
    plugins, failed = discover()
    assert failed == []
    [found] = [plugin for plugin in plugins if plugin.name == "zoo-all"]
    assert (found.version, found.summary) == ("3.1", "a test's")
    specs = [*found.tasks, *found.datasets, *found.models, *found.families]
    assert [spec.qualified for spec in specs] == ["zoo-all:t", "zoo-all:d", "zoo-all:m", "zoo-all:all/"]
    assert [(command.name, command.plugin) for command in found.commands] == [("greet", "zoo-all")]


def test_a_plugin_that_implements_no_hook_adds_nothing(make_plugin: MakePlugin):
    make_plugin("zoo-empty", "")
    plugins, failed = discover()
    assert failed == []
    [found] = [plugin for plugin in plugins if plugin.name == "zoo-empty"]
    assert (found.tasks, found.datasets, found.models, found.families, found.commands) == ((), (), (), (), ())


def test_one_name_may_be_used_for_a_task_a_dataset_and_a_model(make_plugin: MakePlugin):
    make_plugin(
        "zoo-same",
        returning("zoo_tasks", f"[{task('same')}]")
        + "\n@hookimpl\ndef zoo_models():\n    return [ModelSpec(name='same', entry='zoo_same:m')]\n",
    )
    assert discover()[1] == []


def test_the_installed_plugins_are_those_of_importlib():
    assert entry_points_of_folders(group="zoo") == list(entry_points(group="zoo"))


def write_package(folder: Path, name: str, points: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def test_a_folder_is_read_again_only_when_a_package_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_package(tmp_path / "a", "zoo_x", "[test]\nx = first\n")
    write_package(tmp_path / "b", "zoo_X", "[test]\nx = second\n[other]\ny = second\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / name) for name in ("a", "b", "missing", "a")])
    read = []
    monkeypatch.setattr(
        entry_points_module, "distributions", lambda path: read.append(path) or distributions(path=path)
    )
    for _ in range(2):
        assert [point.value for point in entry_points_of_folders(group="test")] == ["first"]
    write_package(tmp_path / "b", "zoo_y", "[test]\ny = later\n")
    sys.path.reverse()
    assert [point.value for point in entry_points_of_folders(group="test")] == ["first", "later"]
    assert read == [[str(tmp_path / name)] for name in ("a", "b", "b")]


def test_without_entry_points_there_are_no_plugins():
    assert discover([]) == ([], [])


# living with many


SOUND = returning("zoo_models", "[ModelSpec(name='sound', entry='m:m')]")


def test_only_the_plugins_that_are_named_are_loaded(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch):
    make_plugin("zoo-sound", SOUND)
    make_plugin("zoo-bad", "raise RuntimeError('it was imported')", version="2.5")
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", " zoo-sound, zoo-cosine,")
    registry = Registry.load()
    assert [plugin.name for plugin in registry.plugins] == ["zoo-cosine", "zoo-sound"]
    assert registry.failed == []
    assert ("zoo-bad", "2.5") in [(plugin.name, plugin.version) for plugin in registry.disabled]
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", "")
    assert Registry.load().plugins == []


def test_a_plugin_named_to_be_loaded_that_is_not_installed_is_the_callers_mistake(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", "zoo-cosin")
    with pytest.raises(UnknownNameError, match=r"did you mean zoo-cosine.*ZOO_LOAD_PLUGINS"):
        Registry.load()


def test_disabled_plugins_are_listed_as_such_and_counted(
    zoo: Callable[..., Any], make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
):
    make_plugin("zoo-bad", "raise RuntimeError")
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", "zoo-cosine")
    [row] = json.loads(zoo("list", "plugins", "zoo-bad", "--json").out)
    assert (row["version"], row["tasks"], row["state"]) == ("1.0", 0, "disabled: ZOO_LOAD_PLUGINS does not name it")
    listed = zoo("list")
    assert "cosine" in listed.out
    assert "plugins are disabled: ZOO_LOAD_PLUGINS does not name them" in listed.err


@pytest.mark.parametrize("source", [f"zoo_api = 2\n{SOUND}", "zoo_api = 2\nfrom zoo_core import OnlyInTheNext\n"])
def test_a_plugin_for_a_newer_api_is_refused_and_the_error_says_what_to_install(source: str, make_plugin: MakePlugin):
    make_plugin("zoo-next", source)
    assert failure("zoo-next").reason == (
        "PluginError: it needs hook API 2, this zoo-core has 1: pip install -U zoo-core"
    )


def test_a_plugin_for_an_older_api_is_loaded_with_the_changes_that_it_needs(
    zoo: Callable[..., Any], make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("zoo_core.hookspecs.HOOK_VERSION", 3)
    changes = {2: "return a list from zoo_tasks", 3: "name the unit of each task"}
    monkeypatch.setattr("zoo_core.hookspecs.HOOK_CHANGES", changes)
    make_plugin("zoo-old", f"zoo_api = 1\n{SOUND}")
    make_plugin("zoo-silent", SOUND)
    plugins, failed = discover()
    assert failed == []
    found = {plugin.name: plugin for plugin in plugins}
    assert [spec.name for spec in found["zoo-old"].models] == ["sound"]
    assert found["zoo-old"].deprecated == (
        "hook API 2: return a list from zoo_tasks",
        "hook API 3: name the unit of each task",
    )
    assert found["zoo-silent"].deprecated == ()


def test_the_list_of_plugins_shows_the_changes_that_an_old_one_needs(
    zoo: Callable[..., Any], make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("zoo_core.hookspecs.HOOK_VERSION", 2)
    monkeypatch.setattr("zoo_core.hookspecs.HOOK_CHANGES", {2: "return a list from zoo_models"})
    make_plugin("zoo-old", "zoo_api = 1\n")
    [row] = json.loads(zoo("list", "plugins", "zoo-old", "--json").out)
    assert row["state"] == "ok; hook API 2: return a list from zoo_models"


def test_every_api_after_the_first_says_what_an_author_changes():
    assert set(hookspecs.HOOK_CHANGES) == set(range(2, hookspecs.HOOK_VERSION + 1))


@pytest.mark.parametrize("stated", ["'1'", "0", "True", "1.0"])
def test_an_api_that_is_no_number_of_one_is_refused(stated: str, make_plugin: MakePlugin):
    make_plugin("zoo-odd", f"zoo_api = {stated}\n")
    assert f"zoo_api is {stated}" in failure("zoo-odd").reason


def test_a_hook_argument_that_is_added_later_does_not_break_a_plugin_without_it(make_plugin: MakePlugin):
    class Later:
        @staticmethod
        @hookspecs.hookspec
        def zoo_tasks(config: dict[str, int]) -> None:
            """The hook as a later zoo-core may have it."""

    class New:
        @staticmethod
        @hookspecs.hookimpl
        def zoo_tasks(config: dict[str, int]) -> list[str]:
            return [f"{config['size']}"]

    manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
    manager.add_hookspecs(Later)
    manager.register(importlib.import_module("zoo_cosine"))
    manager.register(New())
    new, old = manager.hook.zoo_tasks(config={"size": 3})
    assert new == ["3"]
    assert [spec.name for spec in old] == ["cosine"]


def test_a_plugin_may_not_be_called_as_models_without_one_are(make_plugin: MakePlugin):
    make_plugin("unpackaged", "")
    assert "reserved for models without a plugin" in failure("unpackaged").reason


def test_the_level_that_a_check_recorded_is_listed_for_that_version_only(
    zoo: Callable[..., Any], make_plugin: MakePlugin
):
    make_plugin("zoo-sound", "", version="1.5")
    Path("results").mkdir()
    for version, shown in (("1.5", "full"), ("1.4", "")):
        Path("results/conformance.json").write_text(json.dumps({"zoo-sound": {"version": version, "level": "full"}}))
        [row] = json.loads(zoo("list", "plugins", "zoo-sound", "--json").out)
        assert row["checked"] == shown
    Path("results/conformance.json").write_text("[")
    assert "is damaged" in zoo("list", "plugins").err


def test_of_twenty_plugins_three_broken_ones_are_named_and_the_others_listed(
    zoo: Callable[..., Any], make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
):
    broken = {
        "zoo-a-syntax": ("def broken(:\n", "SyntaxError"),
        "zoo-k-import": ("import no_such_package_here\n", "No module named 'no_such_package_here'"),
        "zoo-z-hook": (f"{HEAD}@hookimpl\ndef zoo_tasks(config):\n    return []\n", "config"),
    }
    sound = [f"zoo-many-{number}" for number in range(17)]
    for number, name in enumerate(sound):
        make_plugin(name, returning("zoo_models", f"[ModelSpec(name='m{number}', entry='m:m')]"))
    for name, (source, _) in broken.items():
        make_plugin(name, source)
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", ",".join([*sound, *broken]))
    done = zoo("list", "models", "--json")
    assert done.code == 0
    assert [row["plugin"] for row in json.loads(done.out)] == sorted(sound)
    for name, (_, reason) in broken.items():
        assert reason in done.err.partition(f"{name} 1.0:")[2].partition("plugin did not load")[0]


def test_without_the_variable_every_installed_plugin_is_loaded(
    monkeypatch: pytest.MonkeyPatch, make_plugin: MakePlugin
) -> None:
    make_plugin("zoo-sound", returning("zoo_models", "[ModelSpec(name='m', entry='m:m')]"))
    points = [point for point in entry_points(group="zoo") if point.name in ("zoo-sound", "zoo-cosine")]
    monkeypatch.setattr("zoo_core.registry.plugins.entry_points", lambda **_: points)
    monkeypatch.delenv("ZOO_LOAD_PLUGINS")
    registry = Registry.load()
    assert [plugin.name for plugin in registry.plugins] == ["zoo-cosine", "zoo-sound"]
    assert registry.disabled == []
