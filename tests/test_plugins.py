"""A broken plugin costs only itself: it is named with its reason, and the sound ones load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo_core.plugins import FailedPlugin, discover
from zoo_core.registry import Registry

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


def test_a_broken_plugin_does_not_spoil_those_that_come_after_it(make_plugin: MakePlugin):
    for number, (source, _) in enumerate(BROKEN.values()):
        make_plugin(f"zoo-a-bad-{number}", source)
    make_plugin("zoo-z-sound", returning("zoo_tasks", f"[{task('sound')}]"))
    plugins, failed = discover()
    assert len(failed) == len(BROKEN)
    sound = {plugin.name: plugin for plugin in plugins}
    assert [spec.qualified for spec in sound["zoo-z-sound"].tasks] == ["zoo-z-sound:sound"]
    assert [spec.name for spec in sound["zoo-cosine"].tasks] == ["cosine"]


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


def test_a_sound_plugin_says_what_it_adds_and_its_metadata(make_plugin: MakePlugin):
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


def test_without_entry_points_there_are_no_plugins():
    assert discover([]) == ([], [])
