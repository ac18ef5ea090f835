"""The site's folder. A new site is built next to it and replaces it only when complete.

Each unit of files has a digest of what it was made from. A unit with the same digest as in the earlier site is reused.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from zoo_core.errors import UsageError

MARKER = ".zoo-leaderboard"
FOLDERS = ("tasks", "models", "trials", "history", "data", "static")


class Unit(msgspec.Struct, frozen=True):
    """Files that are written together, and the digest of what they were made from."""

    digest: str
    files: list[str]


class Manifest(msgspec.Struct, frozen=True):
    """The content of the marker file: the units of the site."""

    made_by: str
    units: dict[str, Unit]


class Site:
    """A new site in `folder`, which will replace the site in `earlier`."""

    def __init__(self, folder: Path, earlier: Path) -> None:
        self.folder = folder
        self._earlier = earlier
        self._known = _read_manifest(earlier)
        self._units: dict[str, Unit] = {}

    def reuse(self, unit: str, digest: str) -> bool:
        """Reuse a unit's files from the earlier site; False if the digest differs or a file is missing."""
        known = self._known.get(unit)
        if known is None or known.digest != digest or not all(map(_is_inside, known.files)):
            return False
        if not all(
            (self._earlier / name).is_file() for name in known.files
        ):  # before linking, so that no unit is incomplete
            return False
        try:
            for name in known.files:
                _link_or_copy(self._earlier / name, self.folder / name)
        except OSError:
            return False
        self._units[unit] = known
        return True

    def write(self, name: str, content: str | bytes, digest: str = "") -> None:
        """Write one file as a unit of its own."""
        content = content.encode("utf-8", "replace") if isinstance(content, str) else content
        (self.folder / name).write_bytes(content)
        self.register(name, digest, [name])

    def register(self, unit: str, digest: str, files: Sequence[str]) -> None:
        """Add a unit whose files are written already."""
        self._units[unit] = Unit(digest, list(files))

    def drop(self, unit: str) -> None:
        """Remove a unit and its files, if it was written or reused."""
        known = self._units.pop(unit, None)
        for path in [self.folder / name for name in known.files] if known else ():
            path.unlink(missing_ok=True)
            if path.parent.parent != self.folder and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def close(self) -> None:
        """Write the manifest of the site."""
        manifest = Manifest("zoo leaderboard build, which replaces this folder", self._units)
        (self.folder / MARKER).write_bytes(msgspec.json.encode(manifest))


def _read_manifest(earlier: Path) -> dict[str, Unit]:
    try:
        return msgspec.json.decode((earlier / MARKER).read_bytes(), type=Manifest).units
    except (OSError, msgspec.DecodeError):  # no earlier site, or from an earlier version of the zoo
        return {}


def _is_inside(name: str) -> bool:
    """Whether a name from the earlier manifest, which is not trusted, is a path within the site."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] in (*FOLDERS, "index.html", "compare.html") and ".." not in parts


def _link_or_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        raise OSError(f"{source} is a link, not a file of the site")
    target.unlink(missing_ok=True)  # left by a unit that could not be reused completely
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def require_replaceable(out: Path) -> None:
    """Raise UsageError if `out` is a file, or a folder with files but without the marker of a site."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: give a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"--out {out} holds files that are not an earlier site: give an empty or a new folder")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Site]:
    """Context of a new site that replaces `out` at the end; after an error `out` is unchanged.

    Files that the user added at the top of the earlier site (CNAME, .git) are kept.
    """
    require_replaceable(out)
    place = out.resolve()  # a link to the folder stays a link
    token = secrets.token_hex(4)
    new, old = (place.with_name(f".{place.name}.{token}.{word}") for word in ("new", "old"))
    try:
        for name in FOLDERS:
            (new / name).mkdir(parents=True)
        site = Site(new, place)
        yield site
        site.close()
        _swap(place, new, old)
    except OSError as error:
        raise UsageError(f"the site cannot be written to {out}: {error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(place: Path, new: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    if old.exists():
        for path in old.iterdir():
            if not (place / path.name).exists():
                path.rename(place / path.name)
        shutil.rmtree(old)
