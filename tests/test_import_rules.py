"""Check from the sources which module may import which, and that the command line starts without heavy imports."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import zoo_core

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "zoo_core"
HEAVY = {"torch", "numpy", "pandas", "torchvision", "timm", "PIL", "sklearn", "scipy", "matplotlib"}
HEAVY |= {"tensorboard", "mlflow", "wandb"}

# The files of the core whose docs say "torch inside".
HEAVY_INSIDE = {
    "columns.py",
    "train.py",
    "transfer.py",
    "weights.py",
    "pictures.py",
    "metrics.py",
    "testing/timing.py",
    *(f"data/{name}.py" for name in ("columns", "splits", "open", "batches", "idx", "images", "labels")),
    *(f"data/{name}.py" for name in ("drawing", "orientation")),
    *(f"measure/{name}.py" for name in ("clock", "randomness", "flops", "latency", "memory", "devices")),
    *(f"export/{name}.py" for name in ("capture", "difference", "onnx_file", "program_file")),
    *(f"inside/{name}.py" for name in ("drawing", "layers", "maps", "sheets")),
    "measure/profile.py",
    *(f"runner/{name}.py" for name in ("inspection", "profiling")),
    *(f"checks/{name}.py" for name in ("harness", "child", "data", "fixed_model", "losses")),
    *(f"runner/{name}.py" for name in ("artifacts", "build", "checkpoints", "handlers", "saved_models", "trial")),
    *(f"runner/{name}.py" for name in ("exporting", "onnx_latency", "parameters", "weight_pictures")),
    *(f"runner/{name}.py" for name in ("inference", "prepare", "training", "tryout", "warm_up")),
}

# Modules that plugins may import, besides the names in `zoo_core.__all__`.
PUBLIC_MODULES = (
    "zoo_core.kinds",
    "zoo_core.executors",
    "zoo_core.loggers",
    "zoo_core.data.batches",
    "zoo_core.data.columns",
    "zoo_core.data.drawing",
    "zoo_core.data.idx",
    "zoo_core.data.images",
    "zoo_core.data.labels",
    "zoo_core.data.mnist",
    "zoo_core.data.names",
    "zoo_core.data.open",
    "zoo_core.data.orientation",
    "zoo_core.data.reading",
    "zoo_core.data.walk",
    "zoo_core.timm_family",
    "zoo_core.train",
    "zoo_core.transfer",
    "zoo_core.weights",
    "zoo_core.metrics",
    "zoo_core.outputs",
    "zoo_core.pictures",
    "zoo_core.quote",
)
# Plugins that use the zoo, as people do with its commands, rather than extend it: what each may import besides.
APPLICATIONS = {
    "zoo-class": (
        *("zoo_core.entries.naming", "zoo_core.errors", "zoo_core.files", "zoo_core.recipe", "zoo_core.registry"),
        *("zoo_core.results", "zoo_core.runner", "zoo_core.specs", "zoo_core.ui", "zoo_leaderboard"),
    ),
}
LEADERBOARD_MAY = (
    "zoo_core.results",
    "zoo_core.errors",
    "zoo_core.hookspecs",
    "zoo_core.specs",
    "zoo_core.files",
    "zoo_core.ui.console",
    "zoo_core.ui.formats",
    "zoo_core.ui.harmless",
    "zoo_core.cli.options",
)

TORCH_FREE_KINDS = ("__init__", "kind", "recipes", "names")  # a kind's folder describes it in `__init__`, torch-free
HEAVY_KINDS = {path for path in (CORE / "kinds").rglob("*.py") if path.stem not in TORCH_FREE_KINDS}

Imported = tuple[str, str, int]  # module, name ("" for a plain import), line


def sources(folder: Path) -> list[Path]:
    parts = {"tests", "build", "dist", "__pycache__"}
    return sorted(path for path in folder.rglob("*.py") if not parts & set(path.relative_to(folder).parts))


def imports(path: Path, *, top_level: bool = False) -> Iterator[Imported]:
    """All imports of a file; with `top_level` those that run when it is imported (not in functions, not for types)."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((module, alias.name, node.lineno) for alias in node.names)
        elif top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        elif top_level and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def top(module: str) -> str:
    return module.partition(".")[0]


def within(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def may_be_heavy(path: Path) -> bool:
    return path.relative_to(CORE).as_posix() in HEAVY_INSIDE or path in HEAVY_KINDS


def shown(path: Path, found: list[Imported]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}: {module} {name}".strip() for module, name, line in found]


core_files = pytest.mark.parametrize("path", sources(CORE), ids=lambda path: path.relative_to(CORE).as_posix())
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
plugin_files = pytest.mark.parametrize(
    ("plugin", "path"),
    [(plugin, path) for plugin in PLUGINS for path in sources(plugin)],
    ids=[path.relative_to(ROOT / "plugins").as_posix() for plugin in PLUGINS for path in sources(plugin)],
)
LEADERBOARD = ROOT / "leaderboard"
leaderboard_files = pytest.mark.parametrize(
    "path", sources(LEADERBOARD), ids=lambda path: path.relative_to(LEADERBOARD).as_posix()
)


def package_names(plugin: Path) -> set[str]:
    """The top modules a plugin is made of: one module, or packages below `src`."""
    home = plugin / "src" if (plugin / "src").is_dir() else plugin
    return {path.stem for path in home.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}


ALL_PLUGIN_PACKAGES = {name for plugin in PLUGINS for name in package_names(plugin)}


def test_there_are_files_to_check():
    assert len(sources(CORE)) > 30
    assert {"zoo_cosine", "zoo_mnist"} <= ALL_PLUGIN_PACKAGES
    assert sources(LEADERBOARD)


def test_every_application_is_still_a_plugin():
    assert APPLICATIONS.keys() <= {plugin.name for plugin in PLUGINS}


@pytest.mark.parametrize("name", sorted(HEAVY_INSIDE))
def test_every_exception_is_still_a_file(name: str):
    assert (CORE / name).is_file()


@core_files
def test_the_core_imports_nothing_heavy_at_module_level_except_in_the_listed_files(path: Path):
    if may_be_heavy(path):
        return
    found = [item for item in imports(path, top_level=True) if top(item[0]) in HEAVY]
    assert shown(path, found) == []


@core_files
def test_a_torch_free_file_of_the_core_imports_no_file_with_torch_inside_at_module_level(path: Path):
    if may_be_heavy(path):
        return
    heavy = {f"zoo_core.{name.removesuffix('.py').replace('/', '.')}" for name in HEAVY_INSIDE}
    heavy |= {".".join(file.relative_to(CORE.parent).with_suffix("").parts) for file in HEAVY_KINDS}
    found = [
        (module, name, line)
        for module, name, line in imports(path, top_level=True)
        if module in heavy or f"{module}.{name}" in heavy
    ]
    assert shown(path, found) == []


@core_files
def test_the_core_imports_neither_plugins_nor_the_leaderboard(path: Path):
    others = {*ALL_PLUGIN_PACKAGES, "zoo_leaderboard"}
    assert shown(path, [item for item in imports(path) if top(item[0]) in others]) == []


@core_files
def test_the_core_imports_itself_by_its_full_name(path: Path):
    assert shown(path, [item for item in imports(path) if item[0].startswith(".")]) == []


# The layers of each package, the lowest first. Every top-level module or subpackage belongs to one layer and imports
# only from lower layers.
CORE_LAYERS = (
    {"errors", "memory_limit", "quote", "reasons", "stopwatch", "transfer"},
    {"columns", "files", "outputs", "specs"},
    {"cached", "entries", "hookspecs", "hub", "metrics", "pictures", "recipe", "timm_family", "weights"},
    {"protocols", "results"},
    {"executors", "inside", "loggers", "measure", "optional"},
    {"data", "export"},
    {"train"},
    {"kinds"},
    {"registry"},
    {"runner"},
    {"checks", "ui"},
    {"api", "cli", "testing"},
    {"__init__", "__main__"},
)
LEADERBOARD_LAYERS = (
    {"__init__", "stats", "text"},
    {"records"},
    {"board"},
    {"site"},
    {"cli"},
    {"plugin"},
)
PACKAGES = {
    "zoo_core": (CORE, CORE_LAYERS),
    "zoo_leaderboard": (ROOT / "leaderboard" / "src" / "zoo_leaderboard", LEADERBOARD_LAYERS),
}
packages = pytest.mark.parametrize("package", PACKAGES)


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its full name; a folder's `__init__.py` has the name of the folder."""
    home = PACKAGES[package][0]
    names = ((path.relative_to(home.parent).with_suffix("").parts, path) for path in sources(home))
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for parts, path in names}


def top_level(module: str) -> str:
    """The top-level module of a module: `cli` for `zoo_core.cli.app`, `__init__` for `zoo_core` itself."""
    return module.split(".")[1] if "." in module else "__init__"


def imports_within(package: str) -> Iterator[tuple[str, str, int]]:
    """All imports between modules of a package, also in functions and for types: importer, imported, line."""
    known = modules(package)
    for importer, path in known.items():
        for module, name, line in imports(path):
            imported = f"{module}.{name}" if f"{module}.{name}" in known else module
            if imported in known and imported != importer:
                yield importer, imported, line


@packages
def test_every_module_is_in_one_layer(package: str):
    layers = PACKAGES[package][1]
    listed = [name for layer in layers for name in layer]
    assert sorted(listed) == sorted({top_level(module) for module in modules(package)})


@packages
def test_a_module_imports_only_from_lower_layers(package: str):
    layer = {name: number for number, names in enumerate(PACKAGES[package][1]) for name in names}
    wrong = [
        f"{importer}:{line} imports {imported}"
        for importer, imported, line in imports_within(package)
        if top_level(importer) != top_level(imported) and layer[top_level(imported)] >= layer[top_level(importer)]
    ]
    assert wrong == []


@packages
def test_no_modules_import_each_other_in_a_circle(package: str):
    graph: dict[str, set[str]] = {module: set() for module in modules(package)}
    for importer, imported, _ in imports_within(package):
        graph[importer].add(imported)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@plugin_files
def test_a_plugin_imports_only_public_names_of_the_core(plugin: Path, path: Path):
    found = []
    for module, name, line in imports(path):
        if top(module) != "zoo_core":
            continue
        if module == "zoo_core" and (name in zoo_core.__all__ or name == ""):
            continue
        allowed = (*PUBLIC_MODULES, *APPLICATIONS.get(plugin.name, ()))
        if within(module, allowed) or within(f"{module}.{name}", allowed):
            continue
        found.append((module, name, line))
    assert shown(path, found) == []


@plugin_files
def test_a_plugin_imports_no_other_plugin_and_never_the_leaderboard(plugin: Path, path: Path):
    others = (ALL_PLUGIN_PACKAGES | {"zoo_leaderboard"}) - package_names(plugin) - {*APPLICATIONS.get(plugin.name, ())}
    assert shown(path, [item for item in imports(path) if top(item[0]) in others]) == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_the_module_that_a_plugins_entry_point_names_imports_nothing_heavy(plugin: Path):
    points = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["entry-points"]["zoo"]
    home = plugin / "src" if (plugin / "src").is_dir() else plugin
    for module in points.values():
        path = home / (module.partition(":")[0].replace(".", "/") + ".py")
        assert shown(path, [item for item in imports(path, top_level=True) if top(item[0]) in HEAVY]) == []


@leaderboard_files
def test_the_leaderboard_imports_only_what_records_need(path: Path):
    found = [
        (module, name, line)
        for module, name, line in imports(path)
        if top(module) == "zoo_core"
        and not within(module, LEADERBOARD_MAY)
        and not within(f"{module}.{name}", LEADERBOARD_MAY)
    ]
    assert shown(path, found) == []


@leaderboard_files
def test_the_leaderboard_imports_neither_torch_nor_plugins(path: Path):
    never = {"torch", "torchvision", "timm", *ALL_PLUGIN_PACKAGES}
    assert shown(path, [item for item in imports(path) if top(item[0]) in never]) == []


def test_importing_the_command_line_imports_nothing_heavy():
    modules = "zoo_core.cli, zoo_core.registry, zoo_core.runner.plan, zoo_core.results.store, zoo_core.data.locate"
    code = f"import sys, {modules}; print([name for name in {sorted(HEAVY)} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "[]"


def test_the_public_names_are_sorted_and_each_is_there_once():
    assert list(zoo_core.__all__) == sorted(set(zoo_core.__all__))


@pytest.mark.parametrize("name", zoo_core.__all__)
def test_every_public_name_exists(name: str):
    assert hasattr(zoo_core, name)


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_every_public_module_exists_and_says_what_it_is_for(name: str):
    assert (importlib.import_module(name).__doc__ or "").strip()


def test_a_listing_imports_no_reader_of_records():
    code = "import sys; from zoo_core.registry import Registry; Registry.load(); print('msgspec' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "False"


def test_outside_the_shared_kinds_the_core_knows_no_problem_of_a_plugin() -> None:
    words = re.compile(r"\b(gans?|poses?|skeletons?|segmentations?|masks?|dogs?|cifar|signs?)\b", re.IGNORECASE)
    for path in sources(CORE):
        if "kinds" not in path.relative_to(CORE).parts:
            found = words.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.name} speaks of {found[0] if found else ''}"
