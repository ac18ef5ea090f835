"""An HTTP server for the files of a site, for this machine only.

It gives whole regular files below one folder, and nothing else: no links, no hidden files, no listings. It answers only
requests for its own name, so that a web page that points its own host name to 127.0.0.1 cannot read the site.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

HOST = "127.0.0.1"
NAMES = (HOST, "localhost", "[::1]")  # by which a browser of this machine may ask for the site
MAX_CONNECTIONS = 32  # a browser opens six
MAX_CONNECTION_S = 30.0  # for one request with its answer, however slow the client is
MAX_SILENCE_S = 10.0  # between two pieces of a request or of an answer
HTTP_PORT = 80  # which browsers leave out of the Host header

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
}
DOWNLOAD = "application/octet-stream"  # any other file: a browser saves it and does not show it
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # an SVG opened by its address runs no script


class SiteServer(ThreadingHTTPServer):
    """Serves the site in `folder` on a port of this machine; 0 selects a free one.

    A connection that lasts too long is closed, and one too many is refused.

    Raises:
        OSError: the port is in use.
    """

    request_queue_size = MAX_CONNECTIONS
    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._open: dict[socket.socket, float] = {}  # each connection, and when it is closed at the latest
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Handler)
        self.port = self.server_address[1]

    @property
    def names(self) -> set[str]:
        """The values of the Host header that are answered."""
        ports = [f":{self.port}"] + ([""] if self.port == HTTP_PORT else [])
        return {f"{name}{port}" for name in NAMES for port in ports}

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Accept the connection if there are not too many."""
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                return False
            self._open[request] = time.monotonic() + MAX_CONNECTION_S
            return True

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close the connections that lasted too long. `serve_forever` calls this twice a second."""
        now = time.monotonic()
        with self._lock:
            late = [request for request, end in self._open.items() if end < now]
        for request in late:
            try:
                request.shutdown(socket.SHUT_RDWR)  # its thread sees the end, and closes it
            except OSError:  # closed meanwhile
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, one request per connection, without a log line."""

    server: SiteServer
    timeout = MAX_SILENCE_S
    server_version, sys_version = "zoo", ""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of a file."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if [host.strip().lower() for host in self.headers.get_all("Host", [])] not in [[n] for n in self.server.names]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, f"open http://{HOST}:{self.server.port}/")
            return
        file = open_in_site(self.server.folder, self.path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._send_headers(HTTPStatus.OK, _suffix(file.name), os.fstat(file.fileno()).st_size)
            if with_body:
                shutil.copyfileobj(file, self.wfile)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an error in one line of plain text. Any method but GET and HEAD is one."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD"
        status = HTTPStatus(code)
        body = f"{status.value} {status.phrase}{f': {message}' if message and message.isprintable() else ''}\n".encode()
        self._send_headers(status, ".txt", len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_headers(self, status: HTTPStatus, suffix: str, size: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", TYPES.get(suffix, DOWNLOAD))
        self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")  # a rebuild changes the files
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", PICTURE_POLICY if suffix == ".svg" else PAGE_POLICY)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        if suffix not in TYPES:
            self.send_header("Content-Disposition", "attachment")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()


def open_in_site(folder: Path, target: str) -> BinaryIO | None:
    """Open the file of the site that a request asks for; `/` is `index.html`. None if there is none to give.

    `target` is not trusted. It is decoded once; a name that begins with a dot, a backslash, a colon or a control
    character in a name, a link at any place, and anything but a regular file are refused.
    """
    parts = _parts(target)
    if parts is None:
        return None
    try:
        place = folder.resolve(strict=True)
        path = place.joinpath(*parts)
        if path.resolve(strict=True) != path:  # a link, or another spelling of the name
            return None
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - `Path.open` has no opener; the caller closes it
    except (OSError, RuntimeError, ValueError):  # not there, a circle of links, not a name
        return None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        return None
    return file


def _open_at_once(path: str, flags: int) -> int:
    """Open without following a link, and without waiting for the writer of a pipe."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _parts(target: str) -> list[str] | None:
    """The names on the path of a request, decoded; None if one is refused."""
    if not target.startswith("/"):
        return None
    try:
        path = unquote_to_bytes(target.partition("?")[0].partition("#")[0]).decode("utf-8")
    except UnicodeDecodeError:
        return None
    parts = path[1:].split("/") if path != "/" else ["index.html"]
    return parts if all(map(_is_served, parts)) else None


def _is_served(name: str) -> bool:
    return bool(name) and name.isprintable() and not name.startswith(".") and not set(name) & set("\\:/")
