"""Models in a Python file, `./my_net.py:Net`: makes their specs from the source text, and imports the file later."""

from __future__ import annotations

import ast
import hashlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from zoo_core.entries.loaded import MAX_CODE_BYTES, ReportingLoader, add_neighbours
from zoo_core.entries.unpackaged import SOURCE, make_spec, options_among, refuse_required
from zoo_core.errors import EntryError, UnknownNameError, UsageError
from zoo_core.files import open_regular
from zoo_core.specs import ModelSpec, TaskSpec

NOT_CALLABLE = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr)

Definition: TypeAlias = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom


def model_of_file(name: str, task: TaskSpec | None = None) -> ModelSpec:
    """Make the spec of `path.py:attribute`, for `task` if given, without importing the file. Raises UsageError."""
    text, _, attribute = name.rpartition(":") if not name.endswith(SOURCE) else (name, "", "")
    path = Path(text).expanduser().absolute()
    tree = _parse(path, text)
    found: dict[str, Definition] = {}
    for key, node in _definitions(tree):
        if key not in found or not _is_not_callable(node):  # `except ImportError: Net = None` hides no class
            found[key] = node
    builders = [key for key, node in found.items() if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if not attribute:
        raise UsageError(
            f"model {name!r}: name the class or function, {name}:NAME; it defines {', '.join(builders) or 'none'}"
        )
    if attribute not in found and "*" not in found:  # with `import *`, only the worker can check the name
        raise UnknownNameError("name", attribute, builders, hint=f"in {text}")
    builder = _follow_aliases(found.get(attribute), found)
    if _is_not_callable(builder):
        raise UsageError(f"model {name!r}: {attribute} is not a class or function, so it cannot build a model")
    return make_spec(
        stem=path.stem,
        attribute=attribute,
        entry=f"{path}:{attribute}",
        options=_options(builder, found, f"model {name!r}"),
        title=_title(builder),
        task=task,
    )


def load(entry: str) -> Any:
    """Import the object that an entry with a path names. The file runs once per process, as a module of its own.

    Its folder is added to `sys.path`, so that the file can import its neighbours. Python's own modules come first, so
    that a neighbour such as `random.py` replaces none of them. Raises EntryError.
    """
    text, _, attribute = entry.rpartition(":")
    path = Path(text)
    if not path.is_file():
        raise EntryError(f"there is no file {path}")
    module = _module(path)
    if not hasattr(module, attribute):
        known = [name for name, value in vars(module).items() if callable(value)]
        raise EntryError(str(UnknownNameError("name", attribute, known, hint=f"in {path.name}")))
    return getattr(module, attribute)


def _module(path: Path) -> ModuleType:
    name = f"zoo_unpackaged_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path, loader=ReportingLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(
        spec
    )  # before the file runs, because dataclasses look up their module
    add_neighbours(path.parent)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


# Reading the source


def _parse(path: Path, text: str) -> ast.Module:
    try:
        with open_regular(path) as file:
            source = file.read(MAX_CODE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"there is no file {text}: the path is relative to the current folder") from None
    except IsADirectoryError:
        raise UsageError(f"{text} is a folder: name a file in it") from None
    except PermissionError:
        raise
    except OSError as error:
        raise UsageError(f"{text} cannot be read ({error.strerror}): name a Python file") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns about doubtful syntax when the file runs
            return ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise UsageError(f"{text}, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a zero byte, or brackets in brackets
        raise UsageError(f"{text} cannot be read as Python: {error or 'it is nested too deeply'}") from None


def _definitions(block: ast.AST) -> Iterator[tuple[str, Definition]]:
    """Yield the names that a block binds with their definitions, also inside `if`, `try` and `with`, in order."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (((alias.asname or alias.name).partition(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _definitions(node)


def _is_not_callable(node: Definition | None) -> bool:
    return isinstance(node, ast.Import) or (isinstance(node, ast.Assign) and isinstance(node.value, NOT_CALLABLE))


def _follow_aliases(node: Definition | None, found: Mapping[str, Definition]) -> Definition | None:
    """Return the definition behind assignments such as `Net = Other`."""
    for _ in range(len(found)):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in found):
            break
        node = found[node.value.id]
    return node


def _title(node: Definition | None) -> str:
    documented = isinstance(node, ast.FunctionDef | ast.ClassDef)
    words = (ast.get_docstring(node) or "") if documented else ""  # type: ignore[arg-type]
    return words.partition("\n")[0].rstrip(".")


def _options(node: Definition | None, found: Mapping[str, Definition], model: str) -> dict[str, Any]:
    function = _initializer(node, found) if isinstance(node, ast.ClassDef) else node
    if not isinstance(function, ast.FunctionDef):
        return {}  # imported, or the result of a call: its parameters are unknown here
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    positional = positional[1:] if isinstance(node, ast.ClassDef) else positional  # without self
    defaults: list[ast.expr | None] = [*arguments.defaults]
    by_position = dict(zip(reversed(positional), reversed(defaults), strict=False))
    by_keyword = {arg.arg: value for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
    required = [name for name in positional if by_position.get(name) is None]
    keywords = [name for name, value in by_keyword.items() if value is None]
    refuse_required([*(required or ["signature"]), *keywords], model)
    in_order = {name: by_position[name] for name in positional if name in by_position} | by_keyword
    return options_among({name: _literal(value) for name, value in in_order.items()})


def _initializer(node: ast.ClassDef, found: Mapping[str, Definition]) -> ast.FunctionDef | None:
    """Find `__init__` in a class, or in the first of its bases in the same file that has one."""
    for inside in node.body:
        if isinstance(inside, ast.FunctionDef) and inside.name == "__init__":
            return inside
    for base in node.bases:
        parent = found.get(base.id) if isinstance(base, ast.Name) else None
        if isinstance(parent, ast.ClassDef) and parent is not node and (above := _initializer(parent, found)):
            return above
    return None


def _literal(node: ast.expr | None) -> Any:
    """Evaluate a default that is a literal; return `...` for any other."""
    try:
        return ast.literal_eval(node) if node is not None else ...
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ...
