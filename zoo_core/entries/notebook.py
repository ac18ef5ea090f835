"""Models of a notebook: a class or function as an entry that a worker process can load.

What is defined in a file of its own is that file's (see entries/file.py). Anything else is kept by cloudpickle in the
cache, in a file named by the hash of its source. Only objects of this user's own process are written there, and only
files in that folder are read: unpickling runs code, so nobody else's file ever is.
"""

from __future__ import annotations

import contextlib
import dis
import hashlib
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from zoo_core.entries.file import model_of_file
from zoo_core.entries.unpackaged import PICKLE, is_plain, make_spec, options_among, refuse_required
from zoo_core.errors import EntryError, UsageError
from zoo_core.files import cache_dir, write_atomically
from zoo_core.specs import ModelSpec, TaskSpec

KEPT_S = 30 * 86_400.0  # a run that needs its file for longer writes it again with the next `bench`


def model_of_object(build: Callable[..., Any], task: TaskSpec) -> ModelSpec:
    """The model that `build` makes: of its file where it has one that can be imported, else pickled.

    Raises UsageError where it is no way to make a model.
    """
    _refuse(build)
    file = _own_file(build)
    if file is not None:
        return model_of_file(f"{file}:{build.__name__}", task)
    title, attribute = _title(build), _name(build)
    path = cache_dir() / "unpackaged" / f"{source_sha256(build)}{PICKLE}"
    _forget_old(path.parent)
    write_atomically(path, _pickle({"build": build, "stem": _stem(), "title": title}))
    return _spec(path, attribute, task, build=build, stem=_stem(), title=title)


def model_of_pickle(path: Path, attribute: str, task: TaskSpec | None) -> ModelSpec:
    """As `model_of_object` in the process that wrote `path`."""
    return _spec(path, attribute, task, **_read(path))


def load(entry: str) -> Any:
    """What builds the model of an entry `path.pickle:name`. Raises EntryError, UsageError."""
    return _read(Path(entry.rpartition(":")[0]))["build"]


def _spec(
    path: Path, attribute: str, task: TaskSpec | None, *, build: Callable[..., Any], stem: str, title: str
) -> ModelSpec:
    return make_spec(
        stem=stem,
        attribute=attribute,
        entry=f"{path}:{attribute}",
        options=_options(build, attribute),
        title=title,
        task=task,
    )


def _read(path: Path) -> dict[str, Any]:
    if path.parent != cache_dir() / "unpackaged":
        raise UsageError(f"{path} is not of this zoo's cache: a pickled model is read from nowhere else")
    import pickle

    try:
        content: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301 - written by this user, see above
    except FileNotFoundError:
        raise EntryError(f"there is no file {path}: run the notebook's `bench` again") from None
    return content


def _pickle(content: dict[str, Any]) -> bytes:
    try:
        import cloudpickle
    except ImportError:
        raise UsageError(
            "a class of a notebook needs cloudpickle (pip install 'zoo-core[notebook]'); or put it into a .py file"
        ) from None
    # It raises whatever the object's own parts raise when they are asked to be pickled.
    try:
        data: bytes = cloudpickle.dumps(content)
    except Exception as error:
        raise UsageError(f"the model cannot be taken to a worker process ({error}): put it into a .py file") from error
    return data


def _forget_old(folder: Path) -> None:
    for path in folder.glob(f"*{PICKLE}"):
        with contextlib.suppress(OSError):  # another process was faster
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink()


# what it is


def _refuse(build: object) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(build, torch.nn.Module):
        name = type(build).__name__
        raise UsageError(
            f"model={name}(...) is built already, and each seed needs a new one: "
            f"give the class, or `lambda: {name}(...)`"
        )
    if not callable(build):
        raise UsageError(f"model={build!r} is neither a model's name nor a class or function that builds one")


def _own_file(build: Any) -> Path | None:
    """The file that defines it at its top level, where running that file again is harmless; else None."""
    module = sys.modules.get(getattr(build, "__module__", "") or "")
    name = getattr(build, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or "." in module.__name__ or hasattr(module, "__path__"):
        return None  # a script would run again, and a package's parts import each other
    file = getattr(module, "__file__", None) or ""
    return Path(file).absolute() if file.endswith(".py") and vars(module).get(name) is build else None


def _stem() -> str:
    """What the model is called by beside its own name: the script's name, or `notebook`."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(main).stem if main else "notebook"


def _name(build: Any) -> str:
    inner = getattr(build, "func", build)  # of functools.partial
    name = str(getattr(inner, "__name__", type(inner).__name__))
    return "lambda" if name == "<lambda>" else name


def _title(build: Any) -> str:
    """The first line of its own documentation."""
    own = vars(build).get("__doc__") if isinstance(build, type) else getattr(build, "__doc__", None)
    words = own if isinstance(build, type | FunctionType) and own else ""
    return inspect.cleandoc(words).partition("\n")[0].rstrip(".")


def _options(build: Callable[..., Any], name: str) -> dict[str, Any]:
    parameters = [
        item
        for item in inspect.signature(build).parameters.values()
        if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]
    required = [item for item in parameters if item.default is item.empty]
    first = [item.name for item in required if item.kind is not item.KEYWORD_ONLY] or ["signature"]
    refuse_required([*first, *(item.name for item in required if item.kind is item.KEYWORD_ONLY)], f"model {name}")
    return options_among({item.name: item.default for item in parameters if item.default is not item.empty})


# the hash of its source


def source_sha256(build: Any) -> str:
    """Hash of the source of `build` and of all that it uses and is not imported; the same in every session.

    What has no source, such as an object that it uses, counts as it is pickled: then another session runs it anew.
    """
    digest = hashlib.sha256()
    for part in _parts(build, set()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _parts(value: Any, seen: set[int]) -> Iterator[str]:
    if is_plain(value):
        yield json.dumps(value)
    elif isinstance(value, ModuleType):
        yield value.__name__
    elif id(value) in seen:
        yield "again"
    else:
        seen.add(id(value))
        yield from _parts_of_object(value, seen)


def _parts_of_object(value: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(value, staticmethod | classmethod):
        yield from _parts(value.__func__, seen)
    elif isinstance(value, property | list | tuple | dict):
        for item in (value.fget, value.fset) if isinstance(value, property) else value:
            yield from _parts(item, seen)
        for item in value.values() if isinstance(value, dict) else ():
            yield from _parts(item, seen)
    elif isinstance(value, FunctionType | type) and not _is_of_session(value):
        yield f"{value.__module__}.{value.__qualname__} {_file_sha256(value)}"
    elif isinstance(value, FunctionType):
        yield from _parts_of_function(value, seen)
    elif isinstance(value, type):
        for part in (*value.__bases__, *(item for pair in sorted(_body(value).items()) for item in pair)):
            yield from _parts(part, seen)
    elif hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        for part in (value.func, list(value.args), dict(value.keywords)):
            yield from _parts(part, seen)
    else:
        yield hashlib.sha256(_pickle({"value": value})).hexdigest()


def _is_of_session(value: Any) -> bool:
    """Whether it is pickled by value: it is of the notebook or script, or of no module's top level."""
    if value.__module__ in (None, "__main__") or "<" in value.__qualname__:
        return True
    return value.__module__ not in sys.modules


def _file_sha256(value: Any) -> str:
    """Of the file of what is imported, if it is the person's own; packages are known by their versions."""
    file = getattr(sys.modules[value.__module__], "__file__", None) or ""
    if not file.endswith(".py") or any(part in ("site-packages", "dist-packages") for part in Path(file).parts):
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if Path(file).is_file() else ""


def _body(value: type) -> dict[str, Any]:
    """What a class says itself, without what Python adds."""
    added = ("__module__", "__qualname__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__")
    return {name: item for name, item in vars(value).items() if name not in added and not name.startswith("__annot")}


def _parts_of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    try:
        yield inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt
        yield from _parts_of_code(function.__code__)
    for value in (function.__defaults__, function.__kwdefaults__):
        yield from _parts(value, seen)
    for cell in function.__closure__ or ():
        if cell.cell_contents is not _class_of(function, cell.cell_contents):
            yield from _parts(cell.cell_contents, seen)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name
            yield from _parts(function.__globals__[name], seen)


def _class_of(function: FunctionType, value: Any) -> Any:
    """`value` if it is the class whose method this is, which `super()` keeps; it is hashed already."""
    inside = isinstance(value, type) and function.__qualname__.startswith(f"{value.__qualname__}.")
    return value if inside else None


def _parts_of_code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    for constant in code.co_consts:
        yield from _parts_of_code(constant) if isinstance(constant, CodeType) else (repr(constant),)


def _names(code: CodeType) -> set[str]:
    """The global names that a function's code, and the code inside it, looks up."""
    inside = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    own = {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*inside)
