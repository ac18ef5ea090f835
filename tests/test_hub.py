"""Weights from a hub: the branch is replaced by its commit once, and the key holds the hash of the file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from zoo_core import hub
from zoo_core.errors import DataUnavailableError
from zoo_core.runner import handlers
from zoo_core.runner.events import WeightsJob
from zoo_core.specs import Download, ModelSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MOVING = Download(name="net.safetensors", urls=("https://huggingface.co/someone/nets/resolve/main/net.safetensors",))
FIXED = f"https://huggingface.co/someone/nets/resolve/{COMMIT}/net.safetensors"
CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hub that answers like the real one; the addresses that it was asked for."""
    addresses: list[str] = []

    def head(url: str, **_: Any) -> requests.Response:
        addresses.append(url)
        answer = requests.Response()
        answer.status_code = 302
        if "renamed" in url:
            answer.headers["Location"] = url.replace("huggingface.co/renamed", "huggingface.co/someone").removeprefix(
                "https://huggingface.co"
            )
        else:
            answer.headers.update({"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{SHA256}"', "Location": "https://cdn/"})
        return answer

    monkeypatch.setattr(requests, "head", head)
    return addresses


def test_a_branch_is_replaced_by_its_commit_and_the_hubs_checksum(asked: list[str]) -> None:
    assert hub.fix_revision(MOVING) == replace(MOVING, urls=(FIXED,), sha256=SHA256)
    renamed = replace(MOVING, urls=(MOVING.urls[0].replace("someone", "renamed"),))
    assert hub.fix_revision(renamed).urls == (FIXED,)
    assert len(asked) == 3


def test_an_address_with_a_commit_is_used_before_one_with_a_branch(asked: list[str]) -> None:
    assert hub.fix_revision(replace(MOVING, urls=(*MOVING.urls, FIXED))).urls == (FIXED,)
    assert asked == []


def test_without_an_answer_the_commit_is_unknown_and_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def head(url: str, **_: Any) -> requests.Response:
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", head)
    with pytest.raises(DataUnavailableError, match=r"commit of .*main.* cannot be found.*--weights with a file"):
        hub.fix_revision(MOVING)


def test_a_file_is_fetched_at_its_commit_and_kept_with_its_pin(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    model = ModelSpec(name="m", entry="a:b", weights=MOVING, plugin="zoo-x")
    fetched: list[Download] = []

    def fetch(download: Download, folder: Path, **_: Any) -> Path:
        fetched.append(download)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / download.name).write_bytes(CONTENT)
        return folder / download.name

    monkeypatch.setattr(handlers, "fetch", fetch)
    monkeypatch.setattr(handlers.Registry, "load", lambda: type("R", (), {"model_or_file": lambda self, name: model})())
    folder = hub.weights_folder(model)
    assert hub.read_pin(MOVING, folder) is None
    for offline in (False, True):  # the second time without a network
        handlers.find_weights(WeightsJob(model="m", offline=offline))
    assert len(asked) == 1
    assert [download.urls for download in fetched] == [(FIXED,), (FIXED,)]
    assert hub.read_pin(MOVING, folder) == hub.Pin(asked=MOVING.urls[0], url=FIXED, sha256=SHA256)
    other = replace(MOVING, urls=(MOVING.urls[0].replace("nets", "other"),))
    assert hub.read_pin(other, folder) is None


@pytest.mark.parametrize(
    ("download", "moving"),
    [
        (MOVING, True),
        (replace(MOVING, urls=(FIXED,)), False),
        (replace(MOVING, sha256="0" * 8), False),
        (replace(MOVING, urls=(FIXED, MOVING.urls[0])), True),
    ],
)
def test_a_checksum_or_a_commit_fixes_the_content(download: Download, moving: bool) -> None:
    assert hub.needs_pin(download) == moving
