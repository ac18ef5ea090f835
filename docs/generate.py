"""Generate the reference pages from the code: `nox -s docs`. A test checks that the pages are current.

python docs/generate.py [FOLDER]
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

import zoo_core
from zoo_core import errors, executors, hookspecs, loggers, optional, protocols, recipe, specs, testing
from zoo_core.checks.table import CHECKS
from zoo_core.cli import app
from zoo_core.columns import Ragged, Split
from zoo_core.data.batches import DeviceSplit
from zoo_core.kinds import KINDS, objective, supervised
from zoo_core.recipe import RUNNER_PARAMS, as_param
from zoo_core.results import records
from zoo_core.train import supervised_steps

HERE = Path(__file__).parent
NOTE = "<!-- Generated from the code by docs/generate.py. Change the code, then run `nox -s docs`. -->\n\n"


def hooks_page() -> str:
    """The hooks with their return types."""
    parts = ["# Hooks\n\n" + inspect.cleandoc(hookspecs.__doc__ or "") + "\n"]
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("zoo_"):
            returns = ast.unparse(ast.parse(inspect.getsource(function)).body[0].returns)  # type: ignore[attr-defined]
            parts.append(f"\n## {name}\n\n`{name}() -> {returns}`\n\n{inspect.getdoc(function)}\n")
    return "".join(parts)


def specs_page() -> str:
    """The names that plugins import from `zoo_core`: metadata, and the objects that a task gets and yields."""
    head = "# Specs\n\nThe names that authors of plugins import from `zoo_core`. "
    head += "The [hooks](hooks.md) and [errors](errors.md) have pages of their own.\n"
    head += "`Params` maps the name of each hyper-parameter to a `Param`, or to its default value.\n"
    parts = [head]
    for module in (specs, protocols, recipe):
        public = [item for name, item in vars(module).items() if name in zoo_core.__all__ and _is_own(item, module)]
        for item in sorted(public, key=lambda item: inspect.getsourcelines(item)[1]):
            parts.append(f"\n## {item.__name__}\n\n```text\n{inspect.getdoc(item)}\n```\n")
            parts += _fields_table(item) if dataclasses.is_dataclass(item) else []
            parts += _methods(item)
    return "".join([*parts, *_logger_parts(), *_executor_parts()])


def _logger_parts() -> Iterator[str]:
    """What an author of a logger imports from `zoo_core.loggers`."""
    page = "../log-to-a-tracker.md#write-a-logger"
    yield f"\n## zoo_core.loggers\n\nWhat [loggers]({page}) import from `zoo_core.loggers`.\n"
    functions = [item for item in map(vars(loggers).get, loggers.__all__) if inspect.isfunction(item)]
    for function in functions:
        words = " ".join(inspect.cleandoc(function.__doc__ or "").partition(">>>")[0].split())
        yield f"\n`{function.__name__}{_arguments_of(function)}`: {words}\n"
    for item in (loggers.Logger, loggers.TrialBegan, loggers.TrialFiles):
        yield f"\n## {item.__name__}\n\n```text\n{inspect.getdoc(item)}\n```\n"
        if issubclass(item, msgspec.Struct):
            hints = typing.get_type_hints(item)
            yield "\n| field | type |\n|---|---|\n"
            yield from (
                f"| `{field.name}` | `{_type_name(hints[field.name])}` |\n" for field in msgspec.structs.fields(item)
            )
        yield from _fields_table(item) if dataclasses.is_dataclass(item) else ()
        yield from _methods(item)


def _executor_parts() -> Iterator[str]:
    """What an author of an executor imports from `zoo_core.executors`."""
    page = "../past-one-machine.md#write-an-executor"
    yield f"\n## zoo_core.executors\n\nWhat [executors]({page}) import from `zoo_core.executors`.\n"
    words = " ".join((inspect.getdoc(executors.perform) or "").split())
    yield f"\n`perform{_arguments_of(executors.perform)}`: {words}\n"
    for item in (executors.Executor, executors.Work, *typing.get_args(executors.Message)):
        yield f"\n## {item.__name__}\n\n```text\n{inspect.getdoc(item)}\n```\n"
        yield from _fields_table(item) if dataclasses.is_dataclass(item) else ()
        yield from _methods(item)


def _is_own(item: Any, module: Any) -> bool:
    return inspect.isclass(item) and item.__module__ == module.__name__


def _fields_table(item: Any) -> list[str]:
    """A table of a dataclass's fields. Types are shown as in the source, because not all of them can be imported."""
    rows = ["\n| field | type | default |\n|---|---|---|\n"]
    for field in dataclasses.fields(item):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        plain = field.default_factory is dataclasses.MISSING and not callable(field.default)
        default = "" if required or not plain else f"`{field.default!r}`"
        kind = str(field.type).replace("|", "\\|")
        rows.append(f"| `{field.name}` | `{kind}` | {'required' if required else default} |\n")
    return rows


def _methods(item: Any) -> Iterator[str]:
    """The public methods and properties that have a docstring, one paragraph each."""
    for name, member in vars(item).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        called = name if isinstance(member, property) else f"{name}{_arguments_of(function)}"
        yield f"\n`{called}`: {' '.join(function.__doc__.split())}\n"


def _arguments_of(function: Any) -> str:
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return f"({', '.join(names)})"


def errors_page() -> str:
    """The tree of errors, then each error with its docstring."""
    parts = ["# Errors\n\n```text\n" + inspect.cleandoc(errors.__doc__ or "") + "\n```\n"]
    for name, item in vars(errors).items():
        if inspect.isclass(item) and issubclass(item, errors.ZooError):
            parts.append(f"\n## {name}\n\n{inspect.getdoc(item)}\n")
    return "".join(parts)


def records_page() -> str:
    """Every struct of a record with its fields."""
    parts = [f"# Records, schema {records.SCHEMA}\n\n{inspect.cleandoc(records.__doc__ or '')}\n"]
    structs = [item for _, item in inspect.getmembers(records, inspect.isclass) if issubclass(item, msgspec.Struct)]
    for struct in sorted(structs, key=lambda item: inspect.getsourcelines(item)[1]):
        if struct.__name__.startswith("_") or struct is records.JsonStruct:
            continue
        parts.append(f"\n## {struct.__name__}\n\n{inspect.getdoc(struct) or ''}\n\n| field | type |\n|---|---|\n")
        hints = typing.get_type_hints(struct)
        parts += [
            f"| `{field.name}` | `{_type_name(hints[field.name])}` |\n" for field in msgspec.structs.fields(struct)
        ]
    return "".join(parts)


def _type_name(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    text = re.sub(r"^(?:typing\.)?Optional\[(.+)\]$", r"\1 | None", text)  # the form of some Python versions
    return text.replace("zoo_core.results.records.", "").replace("typing.", "").replace("|", "\\|")


PARTS_OF_A_KIND: tuple[tuple[str, Any], ...] = (  # the module from which a plugin imports each
    ("zoo_core.data.columns", Split),
    ("zoo_core.data.columns", Ragged),
    ("zoo_core.data.batches", DeviceSplit),
    ("zoo_core.kinds.supervised", supervised.Supervised),
    ("zoo_core.train", supervised_steps),
)


def kinds_page() -> str:
    """The interface of each shared kind, and the parts from which a plugin makes its own kind."""
    parts = ["# Kinds\n\nThe interfaces through which a model of one plugin runs on a task of another.\n"]
    parts += [
        f"\n## {kind.name}\n\n{kind.summary}\n\n```text\n{inspect.cleandoc(kind.interface)}\n```\n"
        for kind in KINDS.values()
    ]
    parts.append(
        "\n## A kind of your own\n\nThe interfaces for [a kind in your own plugin](../a-kind-of-your-own.md).\n"
    )
    parts += _interfaces(objective.OBJECTIVE_PROTOCOLS, "of an objective")
    parts += _interfaces(optional.TASK_PROTOCOLS, "of a task")
    for module, item in PARTS_OF_A_KIND:
        parts.append(f"\n### {module}.{item.__name__}\n\n```text\n{inspect.getdoc(item)}\n```\n")
        parts += _methods(item) if inspect.isclass(item) else []
    return "".join(parts)


def _interfaces(protocols: tuple[type, ...], owner: str) -> Iterator[str]:
    """The methods of each Protocol. The first Protocol has the required methods, the others are optional."""
    for number, protocol in enumerate(protocols):
        if number < 2:
            yield f"\n### {'Optional' if number else 'Required'} methods {owner}\n"
        yield from _methods(protocol)


def recipes_page() -> str:
    """Tables of the recipe keys: those of the runner, then those of each shared kind."""
    head = "# Recipe keys\n\nThe keys of the runner work with every kind. Each shared kind adds its own, "
    parts = [head + "and each model its options. Change a key with `--set key=value`.\n\n"]
    tables = {"runner": RUNNER_PARAMS, **{name: kind.recipe for name, kind in KINDS.items()}}
    for name, params in tables.items():
        parts.append(f"## {name}\n\n| key | default | choices | meaning |\n|---|---|---|---|\n")
        for key, value in params.items():
            param = as_param(value)
            parts.append(f"| `{key}` | `{param.default}` | {', '.join(map(str, param.choices))} | {param.help} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def checks_page() -> str:
    """Every check of `zoo check` with its reason and its fix."""
    head = (
        "# Checks\n\n`zoo check NAME` runs these checks, and `pytest --zoo NAME` runs each as a test. A check does not "
        "run if a check that it needs did not pass. If a failure is expected, state it with the reason in the spec: "
        '`expected_failures={"overfits": "a straight line does not bend"}`.\n\n'
        "The result of a plugin has one of four levels:\n\n"
        "- `full`: every check that applies passed\n"
        "- `expected`: some checks fail, all of them declared as expected failures\n"
        "- `partial`: some checks could not run here\n"
        "- `failing`: some checks fail unexpectedly\n"
    )
    parts = [head]
    for subject, checks in CHECKS.items():
        parts.append(f"\n## Checks of a {subject}\n")
        for check in checks:
            needs = f"\n\nNeeds: {', '.join(f'`{name}`' for name in check.needs)}." if check.needs else ""
            parts.append(f"\n### {subject} {check.name}\n\nRequirement: {check.summary}.\n\n")
            parts.append(f"Why: {check.why}\n\nTo fix: {check.fix}{needs}\n")
    parts.append(f"\n## In pytest\n\n```text\n{inspect.cleandoc(testing.__doc__ or '')}\n```\n")
    return "".join(parts)


def commands_page() -> str:
    """Every command with its usage, arguments and options."""
    parts = ["# Commands\n\n`zoo COMMAND --help` prints the same in the terminal.\n"]
    for words, command in _commands(typer.main.get_command(app), ("zoo",)):
        arguments = _arguments(command)
        usage = " ".join([*words, *map(_usage, arguments)])
        parts.append(f"\n## {' '.join(words)}\n\n`{usage}`\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = [f"| `{item.name.upper()}` | {item.help or ''} |\n" for item in arguments]
        rows += [
            f"| `{', '.join(item.opts)}` | {item.help or ''} |\n" for item in command.params if item not in arguments
        ]
        if rows:
            parts.append("\n| argument or option | meaning |\n|---|---|\n" + "".join(rows))
    return "".join(parts)


def _usage(argument: Any) -> str:
    name = argument.name.upper() + (" ..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _arguments(command: Any) -> list[Any]:
    return [item for item in command.params if item.param_type_name == "argument"]


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """This command and its subcommands, including those of plugins, each with its words on the command line."""
    yield words, command
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), (*words, name))


PAGES = {
    "hooks.md": hooks_page,
    "specs.md": specs_page,
    "errors.md": errors_page,
    "records.md": records_page,
    "kinds.md": kinds_page,
    "recipes.md": recipes_page,
    "checks.md": checks_page,
    "commands.md": commands_page,
}


def main(folder: Path) -> None:
    """Write all pages to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(NOTE + page(), encoding="utf-8")
        print(f"wrote {folder / name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "reference")
