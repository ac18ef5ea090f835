"""Source code without what does not matter: names, comments, docstrings and the order of imports.

A unit is a function, a method or a class without its methods, as a hash of its normalised syntax tree. Two units are
equal if they do the same steps on the same attributes in the same order, whatever their variables are called.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterator, Mapping

LEAST_NODES = 25  # of the syntax tree of a unit; smaller ones are alike by chance
Units = Mapping[str, int]  # hash -> number of nodes


def units_of(files: Mapping[str, bytes], *, least: int = LEAST_NODES) -> dict[str, int]:
    """Return the units of source files with at least so many nodes; a file that does not parse has none."""
    found: dict[str, int] = {}
    for name, content in sorted(files.items()):
        if name.endswith(".py"):
            for node in _units(_parse(content) or ast.Module(body=[], type_ignores=[])):
                size = sum(1 for _ in ast.walk(node))
                if size >= least:
                    found[_hash(node)] = size
    return found


def own_units(files: Mapping[str, bytes], template: Units) -> dict[str, int]:
    """Return the units that are not in the template."""
    return {unit: size for unit, size in units_of(files).items() if unit not in template}


def is_template(files: Mapping[str, bytes], template: Units) -> bool:
    """Return whether every unit, however small, is in the template, which has to be read with `least=0`.

    Files without any unit, or with one that does not parse, are something else.
    """
    units = units_of(files, least=0)
    parse = all(_parse(content) is not None for name, content in files.items() if name.endswith(".py"))
    return bool(units) and parse and all(unit in template for unit in units)


def _parse(content: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _units(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield functions and methods, classes without their methods, and the statements between them as one unit."""
    rest: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            yield from methods
            others = [item for item in node.body if item not in methods and not _is_text(item)]
            if others:
                yield ast.ClassDef(node.name, node.bases, node.keywords, others, node.decorator_list)
        elif not isinstance(node, ast.Import | ast.ImportFrom) and not _is_text(node):
            rest.append(node)
    if rest:
        yield ast.Module(body=rest, type_ignores=[])


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _hash(node: ast.AST) -> str:
    names: dict[str, str] = {}
    words = " ".join(_words(node, names))
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _words(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """Yield the syntax tree in words, with each name replaced by its number in order of appearance.

    Attributes and arguments of calls keep their names: they are those of the library. Without recursion, because a sum
    of a thousand terms is a tree of a thousand levels.
    """
    waiting = [_parts(node, names)]
    while waiting:
        part = next(waiting[-1], None)
        if part is None:
            waiting.pop()
        elif isinstance(part, str):
            yield part
        else:
            waiting.append(_parts(part, names))


def _parts(node: ast.AST, names: dict[str, str]) -> Iterator[str | ast.AST]:
    """Yield the words of one node, and its children in their place."""
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        if field in ("ctx", "type_comment", "returns", "annotation", "type_params", "kind"):
            continue
        own_name = (isinstance(node, ast.Name) and field == "id") or (isinstance(node, ast.arg) and field == "arg")
        own_name = own_name or (field == "name" and isinstance(node, ast.FunctionDef | ast.ClassDef))
        if own_name and isinstance(value, str):
            yield names.setdefault(value, f"n{len(names)}")
        elif isinstance(value, ast.AST):
            yield value
        elif isinstance(value, list):
            yield "["
            for item in value:
                if isinstance(item, ast.stmt) and _is_text(item):
                    continue
                yield item if isinstance(item, ast.AST) else repr(item)
            yield "]"
        else:
            yield repr(value)
