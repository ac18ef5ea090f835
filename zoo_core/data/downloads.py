"""Downloads: files are kept in a folder, and verified against the published checksum at every use."""

from __future__ import annotations

import hashlib
import logging
import secrets
from pathlib import Path
from typing import IO

from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.specs import Download

SILENCE_TIMEOUT_S = 20.0  # a download fails after this long without data


def digest_of(content: IO[bytes], algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of an open file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while block := content.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def is_published(path: Path, download: Download) -> bool:
    """Return whether the file has the published checksum; True if none is published."""
    for algorithm, published in (("sha256", download.sha256), ("md5", download.md5)):
        if published:
            with path.open("rb") as content:
                return digest_of(content, algorithm).startswith(published)
    return True


def fetch(download: Download, folder: Path, *, offline: bool, owner: str, remedy: str) -> Path:
    """Return the path of the file in `folder`; download it first if it is missing or not the published one.

    owner, remedy: for error messages: what the file belongs to, and what to do without a network.
    Raises DataUnavailableError (cannot be fetched now), DamagedDataError (wrong checksum; nothing is kept).
    """
    kept = folder / download.name
    if kept.is_file() and is_published(kept, download):
        return kept
    if offline:
        raise DataUnavailableError(f"{download.name} was never downloaded, and --offline forbids it; {remedy}")
    return _download(download, folder, owner, remedy)


def _download(download: Download, folder: Path, owner: str, remedy: str) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    problems: list[str] = []
    damaged: DamagedDataError | None = None
    partial = folder / f".{download.name}.{secrets.token_hex(4)}.part"
    for url in download.urls:
        downloader = pooch.HTTPDownloader(timeout=SILENCE_TIMEOUT_S)
        try:
            pooch.retrieve(url, known_hash=None, fname=partial.name, path=folder, downloader=downloader)
            if is_published(partial, download):
                return partial.replace(folder / download.name)
            damaged = DamagedDataError(f"{url} is not the published file: its checksum differs; nothing was kept")
        except requests.RequestException as error:
            problems.append(f"{url}: {type(error).__name__}")
        finally:
            partial.unlink(missing_ok=True)
    if damaged is not None:
        raise damaged
    raise DataUnavailableError(
        f"{owner} is not here and cannot be downloaded ({'; '.join(problems)}); connect to the network, or {remedy}"
    )
