"""Writes the reference pages from the code: `nox -s docs`; a test holds the pages against it.

python docs/generate.py [FOLDER]
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

from zoo_core import errors, hookspecs, records
from zoo_core.checks.table import CHECKS
from zoo_core.cli import app
from zoo_core.kinds import KINDS
from zoo_core.recipe import RUNNER_PARAMS, as_param

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py from the code: change the code, then run `nox -s docs`. -->\n\n"


def hooks_page() -> str:
    parts = ["# Hooks\n\n" + inspect.cleandoc(hookspecs.__doc__ or "") + "\n"]
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("zoo_"):
            returns = ast.unparse(ast.parse(inspect.getsource(function)).body[0].returns)  # type: ignore[attr-defined]
            parts.append(f"\n## {name}\n\n`{name}() -> {returns}`\n\n{inspect.getdoc(function)}\n")
    return "".join(parts)


def errors_page() -> str:
    return "# Errors\n\n```text\n" + inspect.cleandoc(errors.__doc__ or "") + "\n```\n"


def records_page() -> str:
    parts = [f"# Records, schema {records.SCHEMA}\n\n{inspect.cleandoc(records.__doc__ or '')}\n"]
    structs = [item for _, item in inspect.getmembers(records, inspect.isclass) if issubclass(item, msgspec.Struct)]
    for struct in sorted(structs, key=lambda item: inspect.getsourcelines(item)[1]):
        if struct.__name__.startswith("_") or struct is records.Part:
            continue
        parts.append(f"\n## {struct.__name__}\n\n{inspect.getdoc(struct) or ''}\n\n| field | type |\n|---|---|\n")
        hints = typing.get_type_hints(struct)
        parts += [
            f"| `{field.name}` | `{_type_name(hints[field.name])}` |\n" for field in msgspec.structs.fields(struct)
        ]
    return "".join(parts)


def _type_name(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    text = re.sub(r"^(?:typing\.)?Optional\[(.+)\]$", r"\1 | None", text)  # Python versions differ in the spelling
    return text.replace("zoo_core.records.", "").replace("typing.", "").replace("|", "\\|")


def kinds_page() -> str:
    """The treaties as their modules state them; read as text, since they import torch."""
    parts = ["# Kinds\n\nWhat lets a model of one plugin run on a task of another.\n"]
    for kind in KINDS.values():
        source = HERE.parent / (kind.entry.partition(":")[0].replace(".", "/") + ".py")
        docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
        parts.append(f"\n## {kind.name}\n\n{kind.summary}\n\n```text\n{docstring}\n```\n")
    return "".join(parts)


def recipes_page() -> str:
    parts = ["# Recipe keys\n\nThe runner's, for every kind; then each shared kind's.\n\n"]
    tables = {"runner": RUNNER_PARAMS, **{name: kind.recipe for name, kind in KINDS.items()}}
    for name, params in tables.items():
        parts.append(f"## {name}\n\n| key | default | choices | meaning |\n|---|---|---|---|\n")
        for key, value in params.items():
            param = as_param(value)
            parts.append(f"| `{key}` | `{param.default}` | {', '.join(map(str, param.choices))} | {param.help} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def checks_page() -> str:
    """Every check of `zoo check` with its reasons."""
    head = (
        "# Checks\n\n`zoo check NAME` makes them, `pytest --zoo NAME` makes each a test. What needs a check that did "
        "not pass is not run. An author who knows of a failure says so in the spec: "
        '`expected_failures={"overfits": "a straight line does not bend"}`.\n\n'
        "Levels: `full`, all that applies passed; `expected`, some fail as their author says; `partial`, some could "
        "not be made here; `failing`.\n"
    )
    parts = [head]
    for what, checks in CHECKS.items():
        parts.append(f"\n## Of a {what}\n")
        for check in checks:
            needs = f"\n\nNeeds: {', '.join(f'`{name}`' for name in check.needs)}." if check.needs else ""
            parts.append(f"\n### {what} {check.name}\n\nIt holds that {check.summary}.\n\n")
            parts.append(f"Why: {check.why}\n\nTo mend: {check.mend}{needs}\n")
    return "".join(parts)


def commands_page() -> str:
    parts = ["# Commands\n"]
    for words, command in _commands(typer.main.get_command(app), ("zoo",)):
        usage = " ".join([*words, *(f"[{item.name.upper()}]" for item in _arguments(command))])
        parts.append(f"\n## {' '.join(words)}\n\n`{usage}`\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = [
            f"| `{', '.join(item.opts)}` | {item.help or ''} |\n"
            for item in command.params
            if item not in _arguments(command)
        ]
        if rows:
            parts.append("\n| option | meaning |\n|---|---|\n" + "".join(rows))
    return "".join(parts)


def _arguments(command: Any) -> list[Any]:
    return [item for item in command.params if item.param_type_name == "argument"]


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below this one, those of plugins too."""
    yield words, command
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), (*words, name))


PAGES = {
    "hooks.md": hooks_page,
    "errors.md": errors_page,
    "records.md": records_page,
    "kinds.md": kinds_page,
    "recipes.md": recipes_page,
    "checks.md": checks_page,
    "commands.md": commands_page,
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(NOTE + page(), encoding="utf-8")
        print(f"wrote {folder / name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "reference")
