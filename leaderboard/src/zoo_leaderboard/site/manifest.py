"""The manifest of a site: the files that builds wrote there, with their digests. All other files belong to a person."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path, PurePosixPath

import msgspec

from zoo_core.errors import UsageError

MARKER = ".zoo-leaderboard"
FOLDERS = ("tasks", "models", "trials", "history", "mistakes", "plots", "data", "static")
PAGES = ("compare.html", "hardware.html", "index.html")
MADE_BY = "zoo leaderboard build, which replaces the files listed here and no others"


class Unit(msgspec.Struct, frozen=True):
    """Files that are written together, and the digest of what they were made from."""

    digest: str
    files: list[str]


class Manifest(msgspec.Struct, frozen=True):
    """The content of the marker file: the units of the site, and the SHA-256 of each file (32 digits) by its name.

    The manifests of earlier versions have no `digests`.
    """

    made_by: str = MADE_BY
    units: dict[str, Unit] = {}
    digests: dict[str, str] = {}

    @property
    def known(self) -> dict[str, str]:
        """The digests of the files that builds wrote, by name; "" in a manifest without digests.

        The manifest is not trusted: names outside the site are left out.
        """
        names = [name for unit in self.units.values() for name in unit.files if is_inside(name)]
        if not self.digests:
            return dict.fromkeys(names, "")
        return {name: self.digests[name] for name in names if name in self.digests}


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; empty if there is no such file, or nothing in it.

    Raises:
        UsageError: the file is damaged, so nobody knows which files of the folder the zoo may replace.
    """
    if not is_file(path):
        return Manifest()
    content = path.read_bytes()
    if not content.strip():
        return Manifest()
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is damaged, so the zoo cannot tell its own files in {path.parent} from yours: "
            "move yours out, delete the folder, and build again"
        ) from error


def is_inside(name: str) -> bool:
    """Whether a name from a manifest, which is not trusted, is a path of the site."""
    parts = PurePosixPath(name).parts
    known = name in PAGES or (len(parts) > 1 and parts[0] in FOLDERS)
    return known and ".." not in parts and "\0" not in name and str(PurePosixPath(name)) == name


def is_file(path: Path) -> bool:
    """Whether there is a regular file; a link is none."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def file_digest(path: Path) -> str:
    """The first 32 hexadecimal digits of the file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def is_as_written(path: Path, digest: str | None) -> bool:
    """Whether there is a file with this digest; any file for "", none for None."""
    return digest is not None and is_file(path) and (digest == "" or file_digest(path) == digest)


def content_digest(content: bytes) -> str:
    """The first 32 hexadecimal digits of the content's SHA-256."""
    return hashlib.sha256(content).hexdigest()[:32]
