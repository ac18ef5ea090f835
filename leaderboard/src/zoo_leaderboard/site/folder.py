"""The site's folder: a new site is made beside it and takes its place only when it is whole.

What a page was made from is noted as a digest; a page whose digest is the earlier one's is taken over as it is.
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
    """Files that are made together, and the digest of what they were made from."""

    digest: str
    files: list[str]


class Manifest(msgspec.Struct, frozen=True):
    """The marker's content: what the site consists of."""

    made_by: str
    units: dict[str, Unit]


class Site:
    """A site in the making, in `folder`; `earlier` is the one it replaces."""

    def __init__(self, folder: Path, earlier: Path) -> None:
        self.folder = folder
        self._earlier = earlier
        self._known = _read_manifest(earlier)
        self._units: dict[str, Unit] = {}

    def keep(self, unit: str, digest: str) -> bool:
        """Take over a unit's files from the earlier site; False where it has none of that digest, or not all of it."""
        known = self._known.get(unit)
        if known is None or known.digest != digest or not all(map(_is_inside, known.files)):
            return False
        if not all((self._earlier / name).is_file() for name in known.files):  # else half of it would be linked
            return False
        try:
            for name in known.files:
                _take(self._earlier / name, self.folder / name)
        except OSError:
            return False
        self._units[unit] = known
        return True

    def write(self, name: str, content: str | bytes, digest: str = "") -> None:
        """Write one file that is a unit of its own."""
        content = content.encode("utf-8", "replace") if isinstance(content, str) else content
        (self.folder / name).write_bytes(content)
        self.note(name, digest, [name])

    def note(self, unit: str, digest: str, files: Sequence[str]) -> None:
        """A unit was made."""
        self._units[unit] = Unit(digest, list(files))

    def close(self) -> None:
        """Write down what the site consists of."""
        manifest = Manifest("zoo leaderboard build, which replaces this folder", self._units)
        (self.folder / MARKER).write_bytes(msgspec.json.encode(manifest))


def _read_manifest(earlier: Path) -> dict[str, Unit]:
    try:
        return msgspec.json.decode((earlier / MARKER).read_bytes(), type=Manifest).units
    except (OSError, msgspec.DecodeError):  # no earlier site, or one of an earlier version of this program
        return {}


def _is_inside(name: str) -> bool:
    """Whether a name from the earlier manifest, which anybody may have changed, stays within the site."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] in (*FOLDERS, "index.html", "compare.html") and ".." not in parts


def _take(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        raise OSError(f"{source} is a link, and no file that this program wrote")
    target.unlink(missing_ok=True)  # from a try that did not find all files
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def require_replaceable(out: Path) -> None:
    """Raises UsageError where `out` holds something that this program did not make."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"--out {out} holds files that are not an earlier site: name an empty or a new folder")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Site]:
    """A new site to fill, which replaces `out` at the end; after an error `out` is as it was.

    What somebody put at the top of the earlier site (CNAME, .git) is kept.
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
        for entry in old.iterdir():
            if not (place / entry.name).exists():
                entry.rename(place / entry.name)
        shutil.rmtree(old)
