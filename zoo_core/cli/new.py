"""`zoo new`: writes an installable plugin package that passes its own checks, from templates packaged with the zoo."""

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

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40


def new_command(
    what: Annotated[PackageType, typer.Argument(help="What it adds.")],
    name: Annotated[str, typer.Argument(help="Its name, such as tiny-net; the package is called zoo-NAME.")],
    task: Annotated[str, typer.Option("--task", help="Of a model: the task it is for; else one with the kind.")] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="The problem's form, as in `zoo list`, or the task's own: zoo-NAME/KIND.")
    ] = "",
    title: Annotated[str, typer.Option("--title", help="In words.")] = "",
    author: Annotated[str, typer.Option("--author", help="Who wrote it.")] = "",
    licence: Annotated[str, typer.Option("--licence", help=f"{' or '.join(LICENCES)}.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write; default: ./zoo-NAME.")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing.")] = False,
) -> None:
    """Write a plugin package that installs and passes its checks; then change it to what it shall be."""
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
        kind=_own_kind(kind, what, name) if "/" in kind else _kind(kind, spec, ask=ask),
        task=spec,
        title=_one_line("--title", title or _ask("Title", _title(name), ask=ask)),
        author=_one_line("--author", author or _ask("Author", f"The authors of zoo-{name}", ask=ask)),
        licence=_licence(licence or _ask(f"Licence ({', '.join(LICENCES)})", LICENCES[0], ask=ask)),
    )
    bench = bench_line(order, registry)
    write(folder, dict(package_files(order, bench)))
    typer.echo(f"wrote {folder}; next:")
    for line in (f"pip install -e {_shown(folder)}", f"zoo check {order.package}", bench, "zoo leaderboard build"):
        typer.echo(f"  {line}")


def _shown(folder: Path) -> str:
    """A path that pip takes for one, in quotes where a shell would cut it."""
    text = folder.as_posix()
    return shlex.quote(text if folder.is_absolute() or text.startswith(".") else f"./{text}")


# what was said


def refuse_name(name: str, what: PackageType, registry: Registry) -> None:
    """Raises UsageError for a name that is no package's, or is somebody else's."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise UsageError(
            f"{what.value} name {name!r}: use up to {LONGEST} of a-z 0-9 and single - between them, a letter first"
        )
    installed = {plugin.name for plugin in registry.plugins} | {plugin.name for plugin in registry.failed}
    if f"zoo-{name}" in installed | {plugin.name for plugin in registry.disabled}:
        raise UsageError(f"a plugin zoo-{name} is installed already: choose another name, or change that one")
    for sort, found in (("task", registry.tasks), ("model", registry.models), ("dataset", registry.datasets)):
        for spec in found:
            if spec.name == name and (sort == "model" or what is not PackageType.model):
                raise UsageError(f"plugin {spec.plugin} adds a {sort} {name!r} already: choose another name")
    module = f"zoo_{name}".replace("-", "_")
    if find_spec(module) is not None:
        raise UsageError(f"a Python module {module} is there already: choose another name")


def refuse_folder(folder: Path) -> None:
    """Raises UsageError where something is in the place of the new package."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already and is no empty folder: remove it, or name another with --out")


def _own_kind(kind: str, what: PackageType, name: str) -> str:
    """Return a kind of the new plugin's own. Raises UsageError if it is not written zoo-NAME/KIND."""
    if what is not PackageType.task:
        raise UsageError(f"only a task brings a kind of its own: zoo new task {name} --kind zoo-{name}/KIND")
    plugin, _, own = kind.partition("/")
    if plugin != f"zoo-{name}" or not NAME.fullmatch(own) or len(own) > LONGEST:
        raise UsageError(f"--kind {kind!r}: a kind of the new plugin's own is written zoo-{name}/KIND, as in its tasks")
    return kind


def _kind(kind: str, task: TaskSpec | None, *, ask: bool) -> str:
    if kind and task and task.kind != kind:
        raise UsageError(f"task {task.name} is of kind {task.kind}, not {kind}: leave --kind out")
    known = kinds()
    wanted = kind or (task.kind if task else _ask(f"Kind ({', '.join(known)})", known[0], ask=ask))
    if wanted not in known:
        where = "docs/write-a-plugin.md tells how to write one by hand" if task else "--kind"
        raise UnknownNameError("kind with a template", wanted, known, hint=where)
    return wanted


def _ask_task(registry: Registry, *, ask: bool) -> TaskSpec:
    names = [task.name for task in registry.tasks if task.kind in kinds()]
    if not ask:
        known = "|".join(names) or "NAME"
        raise UsageError(f"say which task the model is for, --task {known}, or of which --kind it is")
    return registry.task(str(typer.prompt(f"Task ({', '.join(names)})")))


def _ask(question: str, default: str, *, ask: bool) -> str:
    return str(typer.prompt(question, default=default)) if ask else default


def _one_line(option: str, text: str) -> str:
    if not text.strip() or not text.isprintable() or '"""' in text:
        raise UsageError(f"{option} {text!r}: give one line of words")
    return text.strip()


def _licence(name: str) -> str:
    if name not in LICENCES:
        raise UnknownNameError("licence", name, LICENCES, hint="put another into LICENSE and pyproject.toml later")
    return name


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def bench_line(order: Order, registry: Registry) -> str:
    """The command that trains what was written, on data that need no network."""
    if order.what is PackageType.dataset:  # whose model is another's, of any size
        return f"zoo bench {order.name} --model {_borrowed_model(order, registry)} --offline --preset quick"
    if order.what is not PackageType.model:
        return f"zoo bench {order.name} --offline"
    fitting = [task for task in registry.tasks if task.kind == order.kind]
    task = order.task or next(iter(fitting), None)
    return f"zoo bench {task.name if task else 'TASK'} --model {order.name} --offline"


def _borrowed_model(order: Order, registry: Registry) -> str:
    """A data set brings no model: one of another plugin is tried on it."""
    channels = form(order.kind)["channels"]
    for model in registry.models:
        takes = not model.accepts.channels or channels in model.accepts.channels
        if model.kind == order.kind and takes and model.weights is None and model.accepts.fixed_size is None:
            return model.qualified
    return "./FILE.py:NAME"
