"""Pins files of the Hugging Face hub: a branch such as `main` moves, a commit does not.

An address with a branch is replaced, before its first download on a machine, by the address of the branch's commit.
The commit and the file's hash are kept beside the file, so that later runs use the same file and know it offline.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from zoo_core.errors import DataUnavailableError
from zoo_core.files import cache_dir, portable, read_regular, write_atomically
from zoo_core.specs import Download, ModelSpec

HUB_HOSTS = ("huggingface.co", "hf.co")
COMMIT = re.compile(r"[/@]([0-9a-f]{40}|[0-9a-f]{64})(?=[/?#]|$)")
REVISION = re.compile(r"/resolve/[^/]+/")
SHA256 = re.compile(r"[0-9a-f]{64}")
TIMEOUT_S = 20.0
MAX_REDIRECTS = 5
MAX_PIN_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """The version of a file that this machine uses.

    asked: the address in the spec. url: the same with a commit; "" if the file was here before its commit was known.
    sha256: of the file.
    """

    asked: str
    url: str
    sha256: str


def is_fixed(url: str) -> bool:
    """Return whether an address names a commit, so that its content cannot change."""
    return COMMIT.search(urlsplit(url).path) is not None


def is_on_hub(url: str) -> bool:
    """Return whether an address is of a file on the hub, for which `fix_revision` can find the commit."""
    parts = urlsplit(url)
    return parts.hostname in HUB_HOSTS and REVISION.search(parts.path) is not None


def needs_pin(download: Download) -> bool:
    """Return whether neither a checksum nor a commit fixes the content of a download."""
    return not (download.sha256 or download.md5 or all(map(is_fixed, download.urls)))


def weights_folder(model: ModelSpec) -> Path:
    """Return the folder in the cache for the weights of a model."""
    return cache_dir() / "weights" / portable(model.qualified)


def read_pin(download: Download, folder: Path) -> Pin | None:
    """Return the pin of a download that is kept in `folder`; None before the first download."""
    try:
        pin = Pin(**json.loads(read_regular(_pin_file(download, folder), MAX_PIN_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):  # missing, or not written by this version
        return None
    return pin if pin.asked == download.urls[0] and (folder / download.name).is_file() else None


def save_pin(pin: Pin, download: Download, folder: Path) -> None:
    """Keep the pin of a download in `folder`."""
    write_atomically(_pin_file(download, folder), json.dumps(asdict(pin)).encode())


def _pin_file(download: Download, folder: Path) -> Path:
    return folder / f"{download.name}.pin.json"


def fix_revision(download: Download) -> Download:
    """Return the download with the commit that its branch has now, and the checksum if the hub states one.

    Addresses with a commit stay, and the others are left out. Raises DataUnavailableError if the hub does not answer.
    """
    import requests

    fixed_urls = tuple(filter(is_fixed, download.urls))
    if fixed_urls:
        return replace(download, urls=fixed_urls)
    url = download.urls[0]
    try:
        for _ in range(MAX_REDIRECTS):
            answer = requests.head(
                url, allow_redirects=False, timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"}
            )
            answer.raise_for_status()
            commit = answer.headers.get("X-Repo-Commit", "")
            if is_fixed(f"/{commit}"):
                stated = answer.headers.get("X-Linked-Etag", "").strip('"')
                fixed = REVISION.sub(f"/resolve/{commit}/", url, count=1)
                return replace(download, urls=(fixed,), sha256=stated if SHA256.fullmatch(stated) else "")
            url = urljoin(url, answer.headers["Location"])  # the repository has another name now
    except (requests.RequestException, KeyError) as error:
        answered = getattr(error, "response", None)
        reason = type(error).__name__ if answered is None else f"HTTP {answered.status_code}"
        raise DataUnavailableError(
            f"the commit of {download.urls[0]} cannot be found ({reason}): check the network and the address, or give "
            "--weights with a file"
        ) from error
    raise DataUnavailableError(f"the commit of {download.urls[0]} cannot be found: too many redirections")
