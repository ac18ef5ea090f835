"""Serves the site on 127.0.0.1 and rebuilds it when records change."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

import typer

from zoo_core.errors import UsageError, ZooError
from zoo_core.ui.console import messages
from zoo_core.ui.harmless import harmless
from zoo_leaderboard.cli.left_out import print_left_out
from zoo_leaderboard.cli.site_server import HOST, SiteServer
from zoo_leaderboard.records.conformance import read_conformance
from zoo_leaderboard.records.index import scan
from zoo_leaderboard.site.build import build_site

POLL_INTERVAL_S = 2.0  # between scans of the results folders


def serve(results: Sequence[Path], out: Path, port: int, trial_pages: int | None) -> None:
    """Build the site, serve it until Ctrl-C, and rebuild it when records change.

    Raises:
        UsageError: the port is in use, or there are no records.
    """
    built_from = _records_state(results)
    print_left_out(build_site(results, out, trial_pages=trial_pages))
    try:
        server = SiteServer(out, port)
    except OSError as error:
        raise UsageError(
            f"cannot open port {port} ({error}): choose another with --port, or 0 for a free port"
        ) from error
    with server:
        typer.echo(f"http://{HOST}:{server.port}/ (stop with Ctrl-C)")
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(results, out, trial_pages, built_from, stop), daemon=True)
        watcher.start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
        stop.set()
        watcher.join()


def _watch(
    results: Sequence[Path], out: Path, trial_pages: int | None, built_from: list[str], stop: threading.Event
) -> None:
    """Rebuild the site when a record is added, removed or changed. A failed build leaves the earlier site in place."""
    while not stop.wait(POLL_INTERVAL_S):
        now = _records_state(results)
        if now == built_from:
            continue
        built_from = now
        try:
            built = build_site(results, out, trial_pages=trial_pages)
            print_left_out(built)
            messages().print(f"rebuilt: {built.trials} records, {built.rendered} pages rendered", markup=False)
        except (ZooError, OSError) as error:
            messages().print(harmless(f"not rebuilt: {error}"), markup=False)


def _records_state(results: Sequence[Path]) -> list[str]:
    """Digests of everything that the site is built from; empty while a folder cannot be read."""
    try:
        return [*(shard.digest for shard in scan(results)), repr(read_conformance(results))]
    except (OSError, UsageError):  # a folder is being moved: the next scan tries again
        return []
