"""Files from the network: kept in a folder, checked against what was published whenever they are used."""

from __future__ import annotations

import hashlib
import logging
import secrets
from pathlib import Path
from typing import IO

from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.specs import Download

CONNECT_S = 20.0  # seconds without an answer after which a download is given up


def digest_of(content: IO[bytes], algorithm: str = "sha256") -> str:
    """The hexadecimal digest of an open file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while block := content.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def is_published(path: Path, download: Download) -> bool:
    """Whether the file has the published checksum; true of every file where none was published."""
    for algorithm, published in (("sha256", download.sha256), ("md5", download.md5)):
        if published:
            with path.open("rb") as content:
                return digest_of(content, algorithm).startswith(published)
    return True


def fetch(download: Download, folder: Path, *, offline: bool, owner: str, remedy: str) -> Path:
    """The file in `folder`, downloaded if it is not there as published.

    `owner` and `remedy` say in an error whose file it is and what to do without a network.
    Raises DataUnavailableError (not to be had now), DamagedDataError (wrong checksum; nothing is kept).
    """
    kept = folder / download.name
    if kept.is_file() and is_published(kept, download):
        return kept
    if offline:
        raise DataUnavailableError(f"{download.name} was never downloaded, and --offline forbids it; {remedy}")
    return _retrieve(download, folder, owner, remedy)


def _retrieve(download: Download, folder: Path, owner: str, remedy: str) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    problems: list[str] = []
    damaged: DamagedDataError | None = None
    beside = folder / f".{download.name}.{secrets.token_hex(4)}.part"
    for url in download.urls:
        downloader = pooch.HTTPDownloader(timeout=CONNECT_S)
        try:
            pooch.retrieve(url, known_hash=None, fname=beside.name, path=folder, downloader=downloader)
            if is_published(beside, download):
                return beside.replace(folder / download.name)
            damaged = DamagedDataError(f"{url} is not the published file: its checksum is another; nothing was kept")
        except requests.RequestException as error:
            problems.append(f"{url}: {type(error).__name__}")
        finally:
            beside.unlink(missing_ok=True)
    if damaged is not None:
        raise damaged
    raise DataUnavailableError(
        f"{owner} is not here and cannot be downloaded ({'; '.join(problems)}); connect to the network, or {remedy}"
    )
