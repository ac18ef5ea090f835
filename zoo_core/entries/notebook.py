"""Models in a notebook or script: turns a class or function into an entry that a worker process can load.

An object that is defined in an importable file gets an entry of that file (see entries/file.py). Any other object is
saved with cloudpickle in the cache, in a file named by the hash of its source. Unpickling runs code. So each user has a
folder of their own there, also in a cache that several users share. A file is read only from that folder, and only if
no other user can have written it.
"""

from __future__ import annotations

import contextlib
import dis
import hashlib
import inspect
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from zoo_core.entries.file import model_of_file
from zoo_core.entries.unpackaged import PICKLE, is_plain, make_spec, options_among, refuse_required
from zoo_core.errors import EntryError, UsageError
from zoo_core.files import cache_dir, open_regular, write_atomically, writing_cache
from zoo_core.specs import ModelSpec, TaskSpec

DELETE_AFTER_S = 30 * 86_400.0  # the next `bench` with the same model writes the file again


def model_of_object(build: Callable[..., Any], task: TaskSpec) -> ModelSpec:
    """Make the spec of the model that `build` makes: an entry of its own file if possible, else of a pickle.

    Raises UsageError if `build` cannot make models.
    """
    _require_builder(build)
    file = _importable_file(build)
    if file is not None:
        return model_of_file(f"{file}:{build.__name__}", task)
    title, attribute = _title(build), _builder_name(build)
    path = _make_private_folder() / f"{source_sha256(build)}{PICKLE}"
    for folder in (path.parent, cache_dir() / "unpackaged"):  # the second had the pickles of earlier versions
        _delete_old(folder)
    write_atomically(path, _pickle({"build": build, "stem": _main_name(), "title": title}))
    path.chmod(0o600)
    return _pickle_spec(path, attribute, task, build=build, stem=_main_name(), title=title)


def model_of_pickle(path: Path, attribute: str, task: TaskSpec | None) -> ModelSpec:
    """Make the same spec as `model_of_object` did in the process that wrote `path`."""
    return _pickle_spec(path, attribute, task, **_read_pickle(path))


def place_of(build: Callable[..., Any]) -> tuple[Path, str]:
    """Return where an object is defined: its file, script or notebook, and its name there with any bound arguments.

    The file is `notebook` in the current folder if the notebook is unknown.
    """
    inner = getattr(build, "func", build)  # of functools.partial
    module = sys.modules.get(getattr(inner, "__module__", None) or "__main__")
    file = None if module is None or module.__name__ == "__main__" else getattr(module, "__file__", None)
    name = str(getattr(inner, "__qualname__", type(inner).__qualname__))
    if inner is not build:
        name = " ".join([name, *_parts([list(build.args), dict(build.keywords)], set())])  # type: ignore[attr-defined]
    return (Path(file).absolute() if file else _main_file() or Path.cwd() / "notebook"), name


def load(entry: str) -> Any:
    """Load the class or function of an entry `path.pickle:name`. Raises EntryError, UsageError."""
    return _read_pickle(Path(entry.rpartition(":")[0]))["build"]


def _pickle_spec(
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


def _read_pickle(path: Path) -> dict[str, Any]:
    if path.parent != _private_folder():
        raise UsageError(f"{path} is outside of the zoo's cache: pickled models are read only from there")
    import pickle

    try:
        _require_private(path.parent, path.parent.lstat())
        with open_regular(path) as file:
            _require_private(path, path.lstat())
            found: dict[str, Any] = pickle.load(file)  # noqa: S301 - only this user can have written it
    except FileNotFoundError:
        raise EntryError(f"there is no file {path}: run the notebook's `bench` again") from None
    except OSError as error:
        raise EntryError(f"{path} cannot be read ({error.strerror}): run the notebook's `bench` again") from error
    return found


def _private_folder() -> Path:
    """Return the folder for this user's pickles; it may not exist yet."""
    return cache_dir() / (f"notebooks-{os.geteuid()}" if hasattr(os, "geteuid") else "notebooks")


def _make_private_folder() -> Path:
    """Create the folder, or close it to other users. Raises UsageError if it belongs to another user."""
    folder = _private_folder()
    with writing_cache():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if hasattr(os, "geteuid") and status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode):
            folder.chmod(0o700)
    _require_private(folder, folder.lstat())
    return folder


def _require_private(path: Path, status: os.stat_result) -> None:
    """Raise UsageError if a user other than this one may have written a file or folder. Windows has no such modes."""
    if not hasattr(os, "geteuid"):
        return
    if stat.S_ISLNK(status.st_mode):
        problem = "is a link"
    elif status.st_uid != os.geteuid():
        problem = f"belongs to another user (uid {status.st_uid}, yours is {os.geteuid()})"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem = f"can be written by other users (mode {stat.S_IMODE(status.st_mode):o})"
    else:
        return
    raise UsageError(
        f"{path} {problem}: a pickled model can run any code, so it is read only if nobody else can have written it; "
        "remove it, or set ZOO_CACHE to a folder of your own"
    )


def _pickle(content: dict[str, Any]) -> bytes:
    try:
        import cloudpickle
    except ImportError:
        raise UsageError(
            "a model in a notebook needs cloudpickle (pip install 'zoo-core[notebook]'); or put it into a .py file"
        ) from None
    # An object's own `__reduce__` may raise anything.
    try:
        data: bytes = cloudpickle.dumps(content)
    except Exception as error:
        raise UsageError(f"the model cannot be sent to a worker process ({error}): put it into a .py file") from error
    return data


def _delete_old(folder: Path) -> None:
    for path in folder.glob(f"*{PICKLE}"):
        with contextlib.suppress(OSError):  # another process deleted it first
            if time.time() - path.stat().st_mtime > DELETE_AFTER_S:
                path.unlink()


# Name, file and options of the object


def _require_builder(build: object) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(build, torch.nn.Module):
        name = type(build).__name__
        raise UsageError(
            f"model={name}(...) is built already, and each seed needs a new one: "
            f"give the class, or `lambda: {name}(...)`"
        )
    if not callable(build):
        raise UsageError(f"model={build!r} is neither the name of a model nor a class or function that builds one")


def _importable_file(build: Any) -> Path | None:
    """Return the file that defines the object at its top level; None if a worker should not import that file."""
    module = sys.modules.get(getattr(build, "__module__", "") or "")
    name = getattr(build, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or "." in module.__name__ or hasattr(module, "__path__"):
        return None  # a script would run again; a module of a package imports other modules of it
    file = getattr(module, "__file__", None) or ""
    return Path(file).absolute() if file.endswith(".py") and vars(module).get(name) is build else None


def _main_file() -> Path | None:
    """Return the script that runs, or the notebook if Jupyter or VS Code says which; else None."""
    main = vars(sys.modules.get("__main__", ModuleType("")))
    notebook = os.environ.get("JPY_SESSION_NAME", "")  # a console has a session name, too
    file = main.get("__file__") or main.get("__vsc_ipynb_file__") or (notebook if notebook.endswith(".ipynb") else "")
    return Path(file).absolute() if file else None


def _main_name() -> str:
    """Return the first part of the model's name: the name of the script or notebook, else `notebook`."""
    file = _main_file()
    return file.stem if file else "notebook"


def _builder_name(build: Any) -> str:
    inner = getattr(build, "func", build)  # of functools.partial
    name = str(getattr(inner, "__name__", type(inner).__name__))
    return "lambda" if name == "<lambda>" else name


def _title(build: Any) -> str:
    """Return the first line of the object's own docstring."""
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


# Hash of the source


def source_sha256(build: Any) -> str:
    """Hash the source of `build` and of everything it uses that is not imported; the same in every session.

    An object without source is hashed as it is pickled, so another session may get another hash.
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
    """Return whether the object is pickled by value: defined in the notebook or script, or not at the top level."""
    if value.__module__ in (None, "__main__") or "<" in value.__qualname__:
        return True
    return value.__module__ not in sys.modules


def _file_sha256(value: Any) -> str:
    """Hash the file of an imported object if it is the user's own; installed packages are known by their versions."""
    file = getattr(sys.modules[value.__module__], "__file__", None) or ""
    if not file.endswith(".py") or any(part in ("site-packages", "dist-packages") for part in Path(file).parts):
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if Path(file).is_file() else ""


def _body(value: type) -> dict[str, Any]:
    """Return the attributes that the class statement defines, without those that Python adds."""
    added = ("__module__", "__qualname__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__")
    return {name: item for name, item in vars(value).items() if name not in added and not name.startswith("__annot")}


def _parts_of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    try:
        yield inspect.getsource(function)
    except (OSError, TypeError):  # the code was typed at a prompt
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
    """Return `value` if it is the class of this method, as `super()` refers to it: that class is already hashed."""
    inside = isinstance(value, type) and function.__qualname__.startswith(f"{value.__qualname__}.")
    return value if inside else None


def _parts_of_code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    for constant in code.co_consts:
        yield from _parts_of_code(constant) if isinstance(constant, CodeType) else (repr(constant),)


def _names(code: CodeType) -> set[str]:
    """Return the global names that a function's code looks up, including code inside it."""
    inside = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    own = {str(step.argval) for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*inside)
