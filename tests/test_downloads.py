"""Downloads that break off, are killed, answer with something else, or without end: nothing but the file is kept."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zoo_core.data import downloads
from zoo_core.data.downloads import fetch
from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.specs import Download

CONTENT = b"published" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!-- proxy -->\n<!DOCTYPE html><html><body>Log in</body></html>"


class Handler(BaseHTTPRequestHandler):
    """Answers with the file, a page, half a file that never goes on, or bytes without end."""

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/file":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/endless":
            try:
                while True:
                    self.wfile.write(bytes(1 << 16))
            except OSError:  # the other side has had enough
                return
        self.wfile.write({"/page": PAGE, "/slow": CONTENT[:5000]}.get(self.path, CONTENT))
        if self.path == "/slow":
            self.wfile.flush()
            time.sleep(20)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def get(download: Download, folder: Path, *, offline: bool = False) -> Path:
    return fetch(download, folder, offline=offline, owner="dataset d", remedy="give --data-root")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


FETCH = """
import sys
from pathlib import Path
from zoo_core.data.downloads import fetch
from zoo_core.specs import Download
download = Download(name="a.bin", urls=(sys.argv[1],), sha256="0" * 64)
fetch(download, Path(sys.argv[2]), offline=False, owner="d", remedy="r")
"""


def start_slow_download(url: str, folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", FETCH, f"{url}/slow", str(folder)])
    until = time.monotonic() + 30
    while not list(folder.glob(".a.bin.*.part")):
        assert time.monotonic() < until, "the download did not start"
        time.sleep(0.02)
    return process


@pytest.mark.skipif(os.name == "nt", reason="no locks of this kind there")
def test_what_a_killed_download_leaves_is_removed_by_the_next_one_and_that_of_a_running_one_stays(
    url: str, tmp_path: Path
) -> None:
    killed, running = start_slow_download(url, tmp_path), None
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        (left,) = names(tmp_path)
        running = subprocess.Popen([sys.executable, "-c", FETCH, f"{url}/slow", str(tmp_path)])
        until = time.monotonic() + 30
        while left in names(tmp_path) or not names(tmp_path):
            assert time.monotonic() < until, "the leftover stays"
            time.sleep(0.02)
        (partial,) = names(tmp_path)
        get(Download(name="b.bin", urls=(f"{url}/file",), sha256=SHA256), tmp_path)
        assert names(tmp_path) == [partial, "b.bin"]
    finally:
        for process in filter(None, (killed, running)):
            process.kill()
            process.wait()


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_a_proxys_page_instead_of_the_file_is_named_as_such(sha256: str, url: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match=r"/page answered with a web page instead of a\.bin, as a proxy"):
        get(Download(name="a.bin", urls=(f"{url}/page",), sha256=sha256), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("size_mib", [0.0, 1.0])
def test_an_answer_without_end_is_cut_off(
    size_mib: float, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", 3 << 20)
    monkeypatch.setattr(downloads, "MIN_LIMIT_BYTES", 1 << 20)
    with pytest.raises(DamagedDataError, match=r"answered with more than [23] MiB"):
        get(Download(name="a.bin", urls=(f"{url}/endless",), sha256=SHA256, size_mib=size_mib), tmp_path)
    assert names(tmp_path) == []


def test_a_file_without_a_published_checksum_is_verified_against_its_own(url: str, tmp_path: Path) -> None:
    download = Download(name="a.bin", urls=(f"{url}/file",))
    kept = get(download, tmp_path)
    assert (tmp_path / "a.bin.sha256").read_text() == SHA256
    assert get(download, tmp_path, offline=True) == kept
    kept.write_bytes(CONTENT[:-1])
    with pytest.raises(DataUnavailableError, match=r"a\.bin was changed since its download, and --offline"):
        get(download, tmp_path, offline=True)
    assert get(download, tmp_path).read_bytes() == CONTENT
    (tmp_path / "a.bin.sha256").unlink()  # as an older zoo left it
    assert get(download, tmp_path, offline=True) == kept
    (tmp_path / "a.bin.sha256").write_text("of another content")
    with pytest.raises(DataUnavailableError, match="was changed"):
        get(download, tmp_path, offline=True)


@pytest.mark.skipif(os.name == "nt", reason="there are no FIFOs")
def test_a_fifo_in_place_of_a_download_is_never_read(url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.bin")
    assert get(Download(name="a.bin", urls=(f"{url}/file",), sha256=SHA256), tmp_path).read_bytes() == CONTENT


def test_a_disk_that_fills_while_downloading_passes_upward_and_leaves_nothing(url: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            get(Download(name="a.bin", urls=(f"{url}/file",), sha256=SHA256), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


def test_what_is_not_the_zoos_stays(url: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".mine.tmp").write_text("mine")
    get(Download(name="a.bin", urls=(f"{url}/file",), sha256=SHA256), tmp_path)
    assert names(tmp_path) == [".mine.tmp", "a.bin", "notes.txt"]
