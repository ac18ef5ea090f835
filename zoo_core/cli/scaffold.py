"""Writes plugin packages from templates: plain text with placeholders such as `$name`."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Any

from zoo_core.kinds import KINDS
from zoo_core.specs import TaskSpec

LICENCES = ("MIT", "Apache-2.0")
TEMPLATES = resources.files("zoo_core.cli") / "templates"  # for every kind
OWN_KIND = TEMPLATES / "own-kind"


class PackageType(StrEnum):
    """What a new package adds."""

    plugin = "plugin"
    model = "model"
    dataset = "dataset"
    task = "task"


def kinds() -> list[str]:
    """List the kinds that have templates, the default first."""
    return sorted(name for name, kind in KINDS.items() if kind.templates)


def kind_templates(kind: str) -> Traversable:
    """Return the folder of the templates of a shared kind."""
    return resources.files(KINDS[kind].templates) / "templates"


def form(kind: str) -> dict[str, Any]:
    """Return the values of the placeholders that depend on the kind."""
    return tomllib.loads((kind_templates(kind) / "form.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The package to write. `task` is the task that a new model is for."""

    what: PackageType
    name: str
    kind: str
    task: TaskSpec | None
    title: str
    author: str
    licence: str

    @property
    def has_own_kind(self) -> bool:
        """Whether the new plugin defines the kind: `PLUGIN/KIND`."""
        return "/" in self.kind

    @property
    def is_folder(self) -> bool:
        """Whether the code is a folder of modules below `src`, not one module."""
        return self.what is PackageType.plugin or self.has_own_kind

    @property
    def package(self) -> str:
        return f"zoo-{self.name}"

    @property
    def module(self) -> str:
        return self.package.replace("-", "_")


def package_files(order: Order, bench: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the package."""
    values = _values(order, bench)
    yield "pyproject.toml", _filled(TEMPLATES / "pyproject.toml.template", values) + "\n"
    yield "README.md", _filled(TEMPLATES / "README.md.template", values) + "\n"
    yield "LICENSE", _filled(TEMPLATES / f"LICENSE-{order.licence}.template", values) + "\n"
    yield f"tests/test_{order.module.removeprefix('zoo_')}.py", _filled(TEMPLATES / "test.py.template", values) + "\n"
    yield from _own_kind_files(order, values) if order.has_own_kind else _module_files(order, values)


def _own_kind_files(order: Order, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the files with the code of a task that defines its kind: the specs, and everything else."""
    for file, template in (("__init__", "plugin"), ("task", "task")):
        yield f"src/{order.module}/{file}.py", _filled(OWN_KIND / f"{template}.py.template", values) + "\n"


def _module_files(order: Order, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the files with the plugin's code: a package of three modules, or one module."""
    parts = {part: _filled(TEMPLATES / f"part-{part}.template", values) for part in ("task", "dataset", "model")}
    values = {**values, **parts, "build": _filled(kind_templates(order.kind) / "build.template", values)}
    data = _filled(kind_templates(order.kind) / "data.template", values)
    if order.what is PackageType.plugin:
        for file, template in (("__init__", "plugin"), ("data", "plugin-data"), ("models", "plugin-models")):
            text = _filled(TEMPLATES / f"{template}.py.template", {**values, "data": data})
            yield f"src/{order.module}/{file}.py", text + "\n"
        return
    # `zoo list` imports this module, so numpy is imported inside the function.
    lazy = data.replace("    def load(self, split):\n", "    def load(self, split):\n        import numpy as np\n\n")
    home = kind_templates(order.kind) if _reads_files(order) else TEMPLATES
    yield f"{order.module}.py", _filled(home / f"{order.what.value}.py.template", {**values, "data": lazy}) + "\n"


def _reads_files(order: Order) -> bool:
    """Whether the kind has a template of a data set that reads local files."""
    return (kind_templates(order.kind) / f"{order.what.value}.py.template").is_file()


def _values(order: Order, bench: str) -> dict[str, object]:
    """Return the value of every placeholder that a template may have."""
    module = order.module
    real = not order.has_own_kind and _reads_files(order)
    drawn = f"{order.name}-drawn" if real else order.name
    return {
        **({} if order.has_own_kind else _form_values(order.kind, real=real)),
        "name": order.name,
        "package": order.package,
        "module": module,
        "kind": order.kind,
        "title": order.title,
        "author": order.author,
        "licence": order.licence,
        "year": date.today().year,  # noqa: DTZ011 - the author's local year
        "quoted_title": json.dumps(order.title, ensure_ascii=False),
        "quoted_author": json.dumps(order.author, ensure_ascii=False),
        "tasks": f'"{order.task.qualified}",' if order.task else "",
        "drawn": drawn,
        "datasets": f'"{order.name}", "{drawn}"' if real else f'"{order.name}",',
        "model_name": f"{order.name}-net",
        "model_title": "A first net",
        "data_entry": f"{module}.data" if order.is_folder else module,
        "models_entry": f"{module}.models" if order.is_folder else module,
        "files": f'packages = ["src/{module}"]' if order.is_folder else f'only-include = ["{module}.py"]',
        "what_it_is": {"model": "a model", "dataset": "a data set and its task"}.get(order.what, "a task"),
        "bench": bench,
        "first": FIRST_OF_OWN_KIND if order.has_own_kind else FIRST[order.what],
    }


def _form_values(kind: str, *, real: bool) -> dict[str, Any]:
    values = form(kind)
    return {**values, "summary": values["summary_of_files" if real else "summary"]}


FIRST_OF_OWN_KIND = "in task.py, `Drawn`, which makes the examples, the objective, and `build`, which makes the net."
FIRST = {
    PackageType.model: "`build`, which makes the net, and `recipe`, which sets how to train it.",
    PackageType.dataset: "the data set's class, which reads or draws the examples, its licence, the task's texts.",
    PackageType.task: "`Drawn`, which makes the examples, the task's target, and `build`, which makes the net.",
    PackageType.plugin: "data.py, which makes the examples, models.py, which makes the nets, and `__init__.py`.",
}


def _filled(template: Traversable, values: Mapping[str, object]) -> str:
    """Replace the placeholders of a template by their values."""
    return Template(template.read_text(encoding="utf-8")).substitute(values).rstrip("\n")


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write all files or none: they go into a temporary folder, which is then renamed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".zoo-new-", dir=folder.parent))
    try:
        for name, text in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)  # mkdtemp makes a folder that only its owner can read
        if folder.is_dir():
            folder.rmdir()  # it is empty: `refuse_folder` has checked
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
