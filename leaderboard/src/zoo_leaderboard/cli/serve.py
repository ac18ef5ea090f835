"""A preview of the site on this machine: 127.0.0.1 only, built again when records come or change."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import typer

from zoo_core.errors import UsageError, ZooError
from zoo_core.ui.console import messages
from zoo_leaderboard.records.conformance import read_conformance
from zoo_leaderboard.records.index import scan
from zoo_leaderboard.site.build import build_site

EVERY_S = 2.0  # between looks at the results folders
HOST = "127.0.0.1"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, says nothing of each, and lets no browser keep them: the next build may change them."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def serve(results: Sequence[Path], out: Path, port: int, trial_pages: int | None) -> None:
    """Build, serve until Ctrl-C, and build again whenever a record comes. Raises UsageError for a port in use."""
    seen = _state(results)
    build_site(results, out, trial_pages=trial_pages)
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Quiet, directory=str(out)))
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be opened ({error}): name another with --port, or 0 for a free one"
        ) from error
    with server:
        typer.echo(f"http://{HOST}:{server.server_address[1]}/ (Ctrl-C ends it)")
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(results, out, trial_pages, seen, stop), daemon=True)
        watcher.start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
        stop.set()
        watcher.join()


def _watch(results: Sequence[Path], out: Path, trial_pages: int | None, seen: list[str], stop: threading.Event) -> None:
    """Build again when a file came, went or changed; a build that fails is told, and the earlier site stays."""
    while not stop.wait(EVERY_S):
        now = _state(results)
        if now == seen:
            continue
        seen = now
        try:
            built = build_site(results, out, trial_pages=trial_pages)
            messages().print(f"built again: {built.trials} records, {built.rendered} pages made anew", markup=False)
        except ZooError as error:
            messages().print(str(error), markup=False)


def _state(results: Sequence[Path]) -> list[str]:
    try:
        return [*(shard.digest for shard in scan(results)), repr(read_conformance(results))]
    except (OSError, UsageError):  # a folder that is being moved: look again
        return []
