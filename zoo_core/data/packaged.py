"""Files that ship in an installed package: `package:zoo_mine/weights/net.safetensors` is an address without a network.

Such an address stands in `Download.urls` like any other. The name before the first slash is a package that can be
imported; the rest is a path inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from zoo_core.errors import DataUnavailableError
from zoo_core.files import open_regular

SCHEME = "package:"
PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
PART = re.compile(r"(?!\.{1,2}$)[^/\\:\x00-\x1f]+")  # of a path; a colon would name a drive on Windows


def is_packaged(url: str) -> bool:
    """Return whether an address is of a file in a package, so that it needs no network."""
    return url.startswith(SCHEME)


def find_fault(url: str) -> str:
    """Return what is wrong with the form of a `package:` address, or "".

    >>> find_fault("package:zoo_mine/weights/net.safetensors")
    ''
    >>> find_fault("package:zoo_mine/../secret")
    "'..' is no name of a file or folder inside the package"
    """
    package, *parts = url.removeprefix(SCHEME).split("/")
    if not PACKAGE.fullmatch(package) or not parts:
        return "it is not of the form package:NAME_OF_PACKAGE/path/of/the/file"
    wrong = next((part for part in parts if not PART.fullmatch(part)), None)
    return "" if wrong is None else f"{wrong!r} is no name of a file or folder inside the package"


@contextmanager
def open_packaged(url: str) -> Iterator[IO[bytes]]:
    """Open the file at a `package:` address; the package may also be imported from a zip archive.

    Raises DataUnavailableError if the address is malformed, or there is no such package or regular file.
    """
    import importlib.util
    from importlib.resources import files
    from pathlib import Path

    if fault := find_fault(url):
        raise DataUnavailableError(f"{url}: {fault}")
    package, *parts = url.removeprefix(SCHEME).split("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError) as error:  # of the package around it, whose own imports may fail, too
        if not (isinstance(error, ModuleNotFoundError) and f"{package}.".startswith(f"{error.name}.")):
            raise DataUnavailableError(f"{url}: package {package} cannot be imported ({error})") from error
        spec = None
    if spec is None:
        raise DataUnavailableError(f"{url}: there is no package {package}")
    if spec.submodule_search_locations is None:  # the files beside a module are not its own
        raise DataUnavailableError(f"{url}: {package} is one module; only a package, a folder, can hold files")
    found = files(package).joinpath(*parts)
    if not found.is_file():
        raise DataUnavailableError(f"{url}: package {package} has no such file")
    with open_regular(found) if isinstance(found, Path) else found.open("rb") as content:
        yield content
