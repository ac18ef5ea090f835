"""The preview: on this machine only, and built again when a record comes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

MAX_WAIT_S = 60.0


@pytest.fixture
def served(record, save, results, tmp_path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `zoo leaderboard serve`, and its address."""
    save(record())
    words = ["leaderboard", "serve", str(results), "--out", str(tmp_path / "site"), "--port", "0"]
    # A shell's background jobs are deaf to Ctrl-C, and what they start inherits that.
    with subprocess.Popen(
        [sys.executable, "-m", "zoo_core", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        line = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+)/", line)
        assert found, (line, process.stderr.read() if process.poll() is not None else "")
        yield process, found[1]
        process.kill()


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


def test_the_site_is_served_and_follows_the_records(served, record, save):
    process, address = served
    assert "1 task, 1 model, 1 trial" in read(f"{address}/index.html")
    save(record(seed=1, minute=1))
    end = time.monotonic() + MAX_WAIT_S
    while "1 task, 1 model, 2 trials" not in read(f"{address}/index.html"):
        assert time.monotonic() < end, "the new record was never shown"
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(MAX_WAIT_S) == 0


def test_a_port_in_use_is_refused_with_what_to_do(record, save, results, tmp_path, zoo):
    save(record())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = zoo("leaderboard", "serve", results, "--out", Path(tmp_path / "site"), "--port", str(port))
    assert (ended.code, "choose another with --port" in ended.err) == (2, True)
