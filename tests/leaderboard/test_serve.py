"""The preview: on this machine only, and built again when a record comes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from zoo_leaderboard.cli import site_server
from zoo_leaderboard.cli.site_server import MAX_CONNECTIONS, SiteServer, open_in_site

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


# --- what is given, and to whom --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    """A site with a hidden file, links that lead out of it and stay in it, a pipe, and a secret beside it."""
    site = tmp_path / "site"
    (site / "tasks").mkdir(parents=True)
    (site / ".git").mkdir()
    for name in ("index.html", "tasks/a.html", "data.json", "x.csv", "x.svg", "x.js", "notes.xyz", ".zoo-leaderboard"):
        (site / name).write_text(name)
    (site / ".git" / "config").write_text("token")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "site-secret").mkdir()
    (tmp_path / "site-secret" / "x.html").write_text("secret")
    (site / "link").symlink_to(tmp_path / "secret")
    (site / "linked").symlink_to(tmp_path)
    (site / "inner.html").symlink_to(site / "index.html")
    os.mkfifo(site / "pipe")
    return site


@pytest.fixture
def server(folder) -> Iterator[SiteServer]:
    with SiteServer(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def ask(server) -> Callable[..., tuple[int, dict[str, str], str]]:
    """Send a request as it is written: returns status, headers and body of the answer."""

    def send(target: str, host: str = "", method: str = "GET", more: str = "") -> tuple[int, dict[str, str], str]:
        host = host or f"Host: 127.0.0.1:{server.port}\r\n"
        with socket.create_connection((site_server.HOST, server.port), timeout=10) as client:
            client.sendall(f"{method} {target} HTTP/1.1\r\n{host}{more}\r\n".encode("latin-1"))
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        head, _, body = answer.partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body

    return send


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("/", "index.html"),
        ("/index.html?a=b", "index.html"),
        ("/tasks/a.html", "tasks/a.html"),
        ("/t%61sks/a.html", "tasks/a.html"),
    ],
)
def test_files_of_the_site_are_given(ask, target, content):
    status, _, body = ask(target)
    assert (status, body) == (200, content)


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/../secret",
            "/tasks/../../secret",
            "/%2e%2e/secret",
            "/%2E%2E%2Fsecret",
            "/..%2fsecret",
            "/%252e%252e/secret",
        ),
        *("/..\\secret", "/%5c..%5csecret", "/tasks/..%5c..%5csecret", "/index.html%00", "/%00", "/index.html%0a"),
        *("/../site-secret/x.html", "/c:/secret", "/index.html:stream", "/%c0%ae%c0%ae/secret", "/\xff"),
        *("/.zoo-leaderboard", "/.git/config", "/%2egit/config", "/./index.html", "/tasks/./a.html"),
        *("/link", "/linked/secret", "/linked/site/index.html", "/inner.html", "/pipe"),
        *(
            "/tasks",
            "/tasks/",
            "/tasks//a.html",
            "/absent",
            "index.html",
            "*",
            "http://127.0.0.1/index.html",
            "file:///etc/passwd",
        ),
        "/" + "a" * 5000,
        "/a" * 2000,
    ],
)
def test_nothing_else_is_given(ask, target):
    status, _, body = ask(target)
    assert (status, body) == (404, "404 Not Found\n")


def test_only_this_machines_names_are_answered(ask, server):
    for name in (
        f"127.0.0.1:{server.port}",
        f"localhost:{server.port}",
        f"[::1]:{server.port}",
        f"LocalHost:{server.port}",
    ):
        assert ask("/", f"Host: {name}\r\n")[0] == 200, name
    others = [f"evil.example:{server.port}", "127.0.0.1", "localhost:1", f"localhost.evil.example:{server.port}", ""]
    for name in others:
        status, _, body = ask("/", f"Host: {name}\r\n")
        assert (status, "index.html" in body) == (421, False), name
    assert ask("/", "X: y\r\n")[0] == 421
    assert ask("/", f"Host: localhost:{server.port}\r\nHost: evil.example\r\n")[0] == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "<script>"])
def test_only_get_and_head_are_answered(ask, method):
    status, headers, body = ask("/", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "<" not in body


def test_head_gives_the_headers_only(ask):
    status, headers, body = ask("/tasks/a.html", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len("tasks/a.html")), "")
    assert ask("/absent", method="HEAD")[2] == ""


def test_types_are_right_and_never_guessed_from_the_content(ask):
    types = {name: ask(f"/{name}")[1] for name in ("index.html", "data.json", "x.csv", "x.svg", "x.js", "notes.xyz")}
    assert {name: headers["Content-Type"].partition(";")[0] for name, headers in types.items()} == {
        "index.html": "text/html",
        "data.json": "application/json",
        "x.csv": "text/csv",
        "x.svg": "image/svg+xml",
        "x.js": "text/javascript",
        "notes.xyz": "application/octet-stream",
    }
    assert {headers["X-Content-Type-Options"] for headers in types.values()} == {"nosniff"}
    assert types["notes.xyz"]["Content-Disposition"] == "attachment"
    assert "sandbox" in types["x.svg"]["Content-Security-Policy"]
    assert "script-src 'self'" in types["index.html"]["Content-Security-Policy"]
    assert "Python" not in types["index.html"]["Server"]


def test_a_slow_client_is_ended_although_it_never_falls_silent(server, monkeypatch):
    monkeypatch.setattr(site_server, "MAX_CONNECTION_S", 0.3)
    start = time.monotonic()
    with socket.create_connection((site_server.HOST, server.port), timeout=MAX_WAIT_S) as client:
        client.settimeout(0.05)
        while time.monotonic() - start < MAX_WAIT_S:
            try:
                client.sendall(b"G")
                if client.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - start < MAX_WAIT_S


def test_connections_are_bounded_and_a_free_place_is_used_again(server, ask):
    before = threading.active_count()
    clients = [
        socket.create_connection((site_server.HOST, server.port), timeout=10) for _ in range(MAX_CONNECTIONS + 5)
    ]
    end = time.monotonic() + MAX_WAIT_S
    for refused in clients[MAX_CONNECTIONS:]:
        assert refused.recv(1) == b""
    assert threading.active_count() - before <= MAX_CONNECTIONS
    for client in clients:
        client.close()
    while True:
        try:
            assert ask("/")[0] == 200
            break
        except (IndexError, ConnectionError):  # the places are not free yet
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_client_that_goes_away_says_nothing_on_the_terminal(server, ask, capfd):
    for _ in range(3):
        with socket.create_connection((site_server.HOST, server.port), timeout=10) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset at the end
            client.sendall(b"GET /")
    assert ask("/")[0] == 200
    assert capfd.readouterr().err == ""


def test_no_folder_of_a_site_is_no_error(tmp_path):
    assert open_in_site(tmp_path / "absent", "/index.html") is None
