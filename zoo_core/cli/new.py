"""`zoo new`: writes an installable plugin package that passes its checks."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli.scaffold import LICENCES, Order, PackageType, form, kinds, package_files, write
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.specs import TaskSpec
from zoo_core.ui.console import say

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_CHARS = 40


def new_command(
    what: Annotated[PackageType, typer.Argument(help="What the package adds.")],
    name: Annotated[str, typer.Argument(help="The name, such as tiny-net; the package is called zoo-NAME.")],
    task: Annotated[str, typer.Option("--task", help="The task that a new model is for.")] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="A kind from `zoo list`, or zoo-NAME/KIND to define a new one with the task.")
    ] = "",
    title: Annotated[str, typer.Option("--title", help="The title, in words.")] = "",
    author: Annotated[str, typer.Option("--author", help="The author's name.")] = "",
    licence: Annotated[str, typer.Option("--licence", help=f"{' or '.join(LICENCES)}.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write; default: ./zoo-NAME.")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing.")] = False,
) -> None:
    """Write a plugin package that can be installed and passes its checks. Then edit it."""
    registry = Registry.load()
    name = name.removeprefix("zoo-")
    refuse_name(name, what, registry)
    folder = out or Path(f"zoo-{name}")
    refuse_folder(folder)
    ask = sys.stdin.isatty() and not defaults
    spec = registry.task(task) if task else None
    if what is PackageType.model and spec is None and not kind:
        spec = _ask_task(registry, ask=ask)
    order = Order(
        what=what,
        name=name,
        kind=_check_own_kind(kind, what, name) if "/" in kind else _choose_kind(kind, spec, ask=ask),
        task=spec,
        title=_require_one_line("--title", title or _ask("Title", _title(name), ask=ask)),
        author=_require_one_line("--author", author or _ask("Author", f"The authors of zoo-{name}", ask=ask)),
        licence=_require_known_licence(licence or _ask(f"Licence ({', '.join(LICENCES)})", LICENCES[0], ask=ask)),
    )
    bench = bench_line(order, registry)
    write(folder, dict(package_files(order, bench)))
    say(f"wrote {folder}; next:")
    for line in (
        f"pip install -e {_pip_argument(folder)}",
        f"zoo check {order.package}",
        bench,
        "zoo leaderboard build",
    ):
        say(f"  {line}")


def _pip_argument(folder: Path) -> str:
    """Return the folder as an argument of `pip install`, quoted for a shell."""
    text = folder.as_posix()
    return shlex.quote(text if folder.is_absolute() or text.startswith(".") else f"./{text}")


# validate names and options


def refuse_name(name: str, what: PackageType, registry: Registry) -> None:
    """Raise UsageError for a name that is malformed or taken."""
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        raise UsageError(
            f"{what.value} name {name!r}: use up to {MAX_NAME_CHARS} of a-z, 0-9 and single hyphens, a letter first"
        )
    installed = {plugin.name for plugin in registry.plugins} | {plugin.name for plugin in registry.failed}
    if f"zoo-{name}" in installed | {plugin.name for plugin in registry.disabled}:
        raise UsageError(f"a plugin zoo-{name} is already installed: choose another name, or edit that plugin")
    for spec_type, specs in (("task", registry.tasks), ("model", registry.models), ("dataset", registry.datasets)):
        for spec in specs:
            if spec.name == name and (spec_type == "model" or what is not PackageType.model):
                raise UsageError(f"plugin {spec.plugin} already adds a {spec_type} {name!r}: choose another name")
    module = f"zoo_{name}".replace("-", "_")
    if find_spec(module) is not None:
        raise UsageError(f"a Python module {module} already exists: choose another name")


def refuse_folder(folder: Path) -> None:
    """Raise UsageError if the folder exists and is not empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists and is not an empty folder: remove it, or choose another with --out")


def _check_own_kind(kind: str, what: PackageType, name: str) -> str:
    """Return the name of a kind that the new plugin defines. Raises UsageError if it is not zoo-NAME/KIND."""
    if what is not PackageType.task:
        raise UsageError(f"only a new task can define a kind: zoo new task {name} --kind zoo-{name}/KIND")
    plugin, _, short_name = kind.partition("/")
    if plugin != f"zoo-{name}" or not NAME.fullmatch(short_name) or len(short_name) > MAX_NAME_CHARS:
        raise UsageError(f"--kind {kind!r}: write zoo-{name}/KIND, with KIND of a-z, 0-9 and single hyphens")
    return kind


def _choose_kind(kind: str, task: TaskSpec | None, *, ask: bool) -> str:
    if kind and task and task.kind != kind:
        raise UsageError(f"task {task.name} is of kind {task.kind}, not {kind}: leave --kind out")
    known = kinds()
    wanted = kind or (task.kind if task else _ask(f"Kind ({', '.join(known)})", known[0], ask=ask))
    if wanted not in known:
        where = "docs/write-a-plugin.md shows how to write one by hand" if task else "--kind"
        raise UnknownNameError("kind with a template", wanted, known, hint=where)
    return wanted


def _ask_task(registry: Registry, *, ask: bool) -> TaskSpec:
    names = [task.name for task in registry.tasks if task.kind in kinds()]
    if not ask:
        known = "|".join(names) or "NAME"
        raise UsageError(f"give the task that the model is for with --task {known}, or its kind with --kind")
    return registry.task(str(typer.prompt(f"Task ({', '.join(names)})")))


def _ask(question: str, default: str, *, ask: bool) -> str:
    return str(typer.prompt(question, default=default)) if ask else default


def _require_one_line(option: str, text: str) -> str:
    if not text.strip() or not text.isprintable() or '"""' in text:
        raise UsageError(f"{option} {text!r}: give one line of text")
    return text.strip()


def _require_known_licence(name: str) -> str:
    if name not in LICENCES:
        raise UnknownNameError("licence", name, LICENCES, hint="put another into LICENSE and pyproject.toml later")
    return name


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def bench_line(order: Order, registry: Registry) -> str:
    """Return the command that trains a model of the new package, or one on its data, without a network."""
    if order.what is PackageType.dataset:  # a model of another plugin
        return f"zoo bench {order.name} --model {_installed_model(order, registry)} --offline --preset quick"
    if order.what is not PackageType.model:
        return f"zoo bench {order.name} --offline"
    fitting = [task for task in registry.tasks if task.kind == order.kind]
    task = order.task or next(iter(fitting), None)
    return f"zoo bench {task.name if task else 'TASK'} --model {order.name} --offline"


def _installed_model(order: Order, registry: Registry) -> str:
    """Return the name of an installed model that fits the new data set."""
    channels = form(order.kind)["channels"]
    for model in registry.models:
        takes = not model.accepts.channels or channels in model.accepts.channels
        if model.kind == order.kind and takes and model.weights is None and model.accepts.fixed_size is None:
            return model.qualified
    return "./FILE.py:NAME"
