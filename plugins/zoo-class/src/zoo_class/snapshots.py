"""Copies an attempt into a folder of its own, so that it runs as it was handed in, and away from all other files.

Only source files and one checkpoint are copied, and no links. The folder is named by a hash of the contents, so the
same contents are neither copied nor run again.
"""

from __future__ import annotations

import hashlib
import io
import os
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo_class.notebooks import NoCodeError, marked_code
from zoo_class.settings import Settings, Submissions
from zoo_class.submissions import Attempt
from zoo_class.tables import BYTE_ORDER_MARKS, decode_text
from zoo_core.files import new_folder, portable, read_regular

DIGITS = 8  # of the hash of the contents, in names
MAX_FILES = 500
CHECKPOINT = ".safetensors"
PACKAGE = "submission"  # the name of a package whose own folder has the student's name
COPYING = ".copying-"
SKIPPED = ("__pycache__", "venv", "env", "node_modules")


class UnusableError(Exception):
    """A submission that cannot be run; the message says why, and what the student can do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A copied attempt. model: for `--model`. checkpoint: for `--weights`, or None. notes: what was changed."""

    attempt: Attempt
    folder: Path
    model: str
    digest: str
    checkpoint: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Contents:
    """The files of a submission by relative path, the one that holds the model, and what was changed in them."""

    files: dict[str, bytes]
    main: str
    notes: list[str]


def take_snapshot(attempt: Attempt, work: Path, alias: str, settings: Settings) -> Snapshot:
    """Copy an attempt below `work`, unless it is there. Raises UnusableError."""
    contents = _read(attempt.path, settings)
    digest = _digest(contents.files)
    home = work / portable(alias)
    folder = home / digest
    if not folder.is_dir():
        with new_folder(folder, COPYING, durable=False) as inside:
            for name, content in contents.files.items():
                path = inside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    checkpoint = next((folder / name for name in contents.files if name.endswith(CHECKPOINT)), None)
    return Snapshot(
        attempt=attempt,
        folder=folder,
        model=f"{folder / contents.main}:{settings.submissions.model}",
        digest=digest,
        checkpoint=checkpoint,
        notes=tuple(contents.notes),
    )


def source_files(folder: Path) -> dict[str, bytes]:
    """Return the source files of a snapshot by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.py"))}


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        content = files[name]
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:DIGITS]


def _read(path: Path, settings: Settings) -> _Contents:
    limit = settings.limits.submission_mib << 20
    rules = settings.submissions
    if path.is_symlink():
        raise UnusableError("it is a link to another place: hand in the file itself")
    if path.is_dir():
        return _read_folder(path, rules, limit)
    contents = _Contents({}, "net.py", [])
    _add(contents, "net.py", path, rules, limit)
    return contents


def _read_folder(folder: Path, rules: Submissions, limit: int) -> _Contents:
    listed = _list_files(folder)
    top = [name for name in listed if "/" not in name]
    contents = _Contents({}, _main_of(top, listed, rules), [])
    inside = f"{PACKAGE}/" if contents.main == "" else ""
    for name, path in listed.items():
        if name == contents.main or name.endswith(".py"):
            target = name.removesuffix(".ipynb") + ".py" if name.endswith(".ipynb") else name
            _add(contents, f"{inside}{target}", path, rules, limit)
    contents.main = contents.main.removesuffix(".ipynb").removesuffix(".py") + ".py" if contents.main else ""
    if not contents.main or "/" in contents.main:  # a package: the file beside it only imports the model
        package = contents.main.partition("/")[0] or PACKAGE
        contents.main = "net.py"
        contents.files["net.py"] = f"from {package} import {rules.model}\n".encode()
    _add_checkpoint(contents, [name for name in top if name.endswith(CHECKPOINT)], folder, limit)
    return contents


def _main_of(top: list[str], listed: Mapping[str, Path], rules: Submissions) -> str:
    """Return the file that holds the model; "" if the folder itself is a package. Raises UnusableError."""
    stem = rules.file.rpartition(".")[0]
    for name in (rules.file, f"{stem}.py", f"{stem}.ipynb"):
        if name in top:
            return name
    if "__init__.py" in top:
        return ""
    sources = [name for name in top if name.endswith((".py", ".ipynb"))]
    packages = [name for name in listed if name.endswith("/__init__.py") and name.count("/") == 1]
    if len(sources) == 1 or (not sources and len(packages) == 1):
        return (sources or packages)[0]
    if not sources and not packages:
        raise UnusableError(f"there is no file {rules.file} in the folder")
    raise UnusableError(
        f"there is no file {rules.file} in the folder, but {', '.join(sources[:5] or packages[:5])}: "
        "rename the right one"
    )


def _list_files(folder: Path) -> dict[str, Path]:
    """List the regular files that may belong to a submission, by relative path. Raises UnusableError if too many."""
    found: dict[str, Path] = {}
    for home, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in SKIPPED and _is_name(name)
        )
        for name in sorted(names):
            path = Path(home, name)
            if (
                name.endswith((".py", ".ipynb", CHECKPOINT))
                and _is_name(name)
                and path.is_file()
                and not path.is_symlink()
            ):
                found[path.relative_to(folder).as_posix()] = path
            if len(found) > MAX_FILES:
                raise UnusableError(f"it has more than {MAX_FILES} source files: hand in only your own")
    return found


def _is_name(name: str) -> bool:
    """Return whether a name is UTF-8; others cannot be imported anyway."""
    return name.isprintable() and not any("\ud800" <= character <= "\udfff" for character in name)


def _add(contents: _Contents, name: str, path: Path, rules: Submissions, limit: int) -> None:
    """Read a source file or the marked cells of a notebook. Raises UnusableError."""
    shown = path.name if _is_name(path.name) else name
    left = limit - sum(map(len, contents.files.values()))
    try:
        content = read_regular(path, max(left, 0), follow_links=False)
    except OSError as error:
        raise UnusableError(f"{shown} cannot be read: {error.strerror}") from None
    if path.suffix == ".ipynb":
        try:
            contents.files[name] = marked_code(content).encode()
        except (NoCodeError, UnicodeEncodeError) as error:
            raise UnusableError(f"{shown}: {error}") from None
        return
    contents.files[name] = _source(content, shown, rules.encoding, contents.notes)


def _source(content: bytes, name: str, encoding: str, notes: list[str]) -> bytes:
    """Return a source file that Python can read: in its declared encoding, or else in UTF-8. Raises UnusableError."""
    try:
        declared, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        content.decode(declared)
    except (SyntaxError, UnicodeError, LookupError):  # a plain UnicodeError of the codec `undefined`
        marked = next((named for mark, named in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "")
        try:
            text = decode_text(content, encoding)
        except UnicodeError:
            raise UnusableError(f"{name} is no text in UTF-8 or {encoding}: save it in UTF-8") from None
        notes.append(f"{name} is not in UTF-8 and was read as {marked or encoding}: save it in UTF-8")
        content = text.encode()
    if b"\0" in content:
        raise UnusableError(f"{name} holds zero bytes, so it is no source file: save it as plain text")
    return content


def _add_checkpoint(contents: _Contents, names: list[str], folder: Path, limit: int) -> None:
    if len(names) > 1:
        raise UnusableError(f"it has {len(names)} checkpoints, {', '.join(names[:3])} ...: hand in one")
    for name in names:
        left = limit - sum(map(len, contents.files.values()))
        try:
            contents.files[f"weights{CHECKPOINT}"] = read_regular(folder / name, max(left, 0), follow_links=False)
        except OSError as error:
            raise UnusableError(f"{name} cannot be read: {error.strerror}") from None
