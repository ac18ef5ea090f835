"""Downloads: files are kept in a folder, and verified at every use: by the published checksum, or by their own.

A file that ships in an installed package goes the same way, without a network.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from zoo_core.data.packaged import is_packaged, open_packaged
from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.files import MIB, locked_file, open_regular, read_regular, remove_abandoned, write_atomically
from zoo_core.specs import Download

SILENCE_TIMEOUT_S = 20.0  # a download fails after this long without data
MAX_BYTES = 32 << 30  # of a file whose size no one states
MIN_LIMIT_BYTES = 64 * MIB
BLOCK = 1 << 18
WEB_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL)
DIGEST_CHARS = 64
REINSTALL = "install the package again"


def digest_of(content: IO[bytes], algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of an open file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while block := content.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def is_published(path: Path, download: Download) -> bool:
    """Return whether the file has the published checksum; True if none is published. Raises OSError."""
    for algorithm, published in (("sha256", download.sha256), ("md5", download.md5)):
        if published:
            with open_regular(path) as content:
                return digest_of(content, algorithm).startswith(published)
    return True


def fetch(download: Download, folder: Path, *, offline: bool, owner: str, remedy: str) -> Path:
    """Return the path of the file in `folder`; download it first if it is missing or not the one that was published.

    Without a published checksum, the file's own at the first download is kept beside it.
    owner, remedy: for error messages: what the file belongs to, and what to do without a network.
    Raises DataUnavailableError (cannot be fetched now), DamagedDataError (wrong checksum; nothing is kept).
    """
    kept = folder / download.name
    if kept.is_file() and is_published(kept, download) and _is_as_downloaded(kept, download):
        return kept
    packaged = tuple(filter(is_packaged, download.urls))
    if offline and packaged:
        download = replace(download, urls=packaged)
    elif offline:
        state = "was changed since its download" if kept.is_file() else "was never downloaded"
        raise DataUnavailableError(f"{download.name} {state}, and --offline forbids it; {remedy}")
    return _download(download, folder, owner, remedy)


def _digest_file(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.sha256")


def _is_as_downloaded(kept: Path, download: Download) -> bool:
    """Compare a file without a published checksum with its own. An older zoo wrote none: then it is noted now."""
    if download.sha256 or download.md5:
        return True
    with open_regular(kept) as content:
        digest = digest_of(content)
    try:
        return read_regular(_digest_file(kept), DIGEST_CHARS) == digest.encode()
    except FileNotFoundError:
        write_atomically(_digest_file(kept), digest.encode())
        return True
    except OSError:  # not written by the zoo
        return False


def _download(download: Download, folder: Path, owner: str, remedy: str) -> Path:
    import requests

    folder.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    damaged: DamagedDataError | None = None
    for url in download.urls:
        try:
            with _partial_file(folder, download.name) as (partial, file):
                _receive(url, file, _limit_bytes(download))
                return _keep(partial, url, download)
        except DamagedDataError as error:
            damaged = error
        except requests.RequestException as error:
            problems.append(f"{url}: {type(error).__name__}")
        except DataUnavailableError as error:  # of a file in a package
            problems.append(str(error))
    if damaged is not None:
        raise damaged
    advice = REINSTALL if all(map(is_packaged, download.urls)) else "connect to the network"
    raise DataUnavailableError(
        f"{owner} is not here and cannot be downloaded ({'; '.join(problems)}); {advice}, or {remedy}"
    )


@contextmanager
def _partial_file(folder: Path, name: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield a file to fill, which does not stay. Those of processes that were killed are removed first."""
    remove_abandoned(folder, ".*.part")
    partial = folder / f".{name}.{secrets.token_hex(4)}.part"
    try:
        with locked_file(partial) as file:
            yield partial, file
    finally:
        partial.unlink(missing_ok=True)


def _limit_bytes(download: Download) -> int:
    return max(MIN_LIMIT_BYTES, int(2 * download.size_mib * MIB)) if download.size_mib else MAX_BYTES


def _receive(url: str, file: IO[bytes], max_bytes: int) -> None:
    """Write what an address gives into a file.

    Raises DataUnavailableError (a package lacks the file), DamagedDataError, requests.RequestException, OSError.
    """
    if is_packaged(url):
        with open_packaged(url) as content:
            _write(iter(lambda: content.read(BLOCK), b""), url, file, max_bytes)
    else:
        _receive_from_server(url, file, max_bytes)
    file.flush()


def _receive_from_server(url: str, file: IO[bytes], max_bytes: int) -> None:
    import requests

    headers = {"Accept-Encoding": "identity"}  # the file itself, whose length the server states
    with requests.get(url, stream=True, timeout=SILENCE_TIMEOUT_S, headers=headers) as answer:
        answer.raise_for_status()
        stated = answer.headers.get("Content-Length", "")
        size = _write(answer.iter_content(BLOCK), url, file, max_bytes)
        if stated.isdecimal() and size < int(stated) and "Content-Encoding" not in answer.headers:
            raise requests.ConnectionError(f"{size} of {stated} bytes arrived")


def _write(blocks: Iterable[bytes], url: str, file: IO[bytes], max_bytes: int) -> int:
    """Write the blocks into a file and return their size in bytes. Raises DamagedDataError if they are too many."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > max_bytes:
            raise DamagedDataError(
                f"{url} answered with more than {max_bytes // MIB} MiB: it is another file; nothing was kept"
            )
        file.write(block)
    return size


def _keep(partial: Path, url: str, download: Download) -> Path:
    """Verify a downloaded file and give it its name. Raises DamagedDataError."""
    with partial.open("rb") as content:
        is_page = WEB_PAGE.match(content.read(1024)) is not None and not download.name.lower().endswith(
            (".html", ".htm")
        )
    published = bool(download.sha256 or download.md5)
    advice = REINSTALL if is_packaged(url) else "nothing was kept"
    if (is_page and not published) or not is_published(partial, download):
        raise DamagedDataError(
            f"{url} answered with a web page instead of {download.name}, as a proxy or a login page does: open the "
            "address in a browser; nothing was kept"
            if is_page
            else f"{url} is not the published file: its checksum differs; {advice}"
        )
    kept = partial.with_name(download.name)
    if not published:
        with partial.open("rb") as content:
            write_atomically(_digest_file(kept), digest_of(content).encode())
    return partial.replace(kept)
