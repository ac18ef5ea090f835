"""Serves the site on 127.0.0.1 and rebuilds it when records change."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo_core.errors import UsageError, ZooError
from zoo_core.ui.console import complain, messages, say
from zoo_leaderboard.cli.site_server import HOST, SiteServer
from zoo_leaderboard.records.acknowledged import read_acknowledged
from zoo_leaderboard.records.conformance import read_conformance
from zoo_leaderboard.records.index import scan
from zoo_leaderboard.records.verified import read_verified
from zoo_leaderboard.site.build import Built, build_site

POLL_INTERVAL_S = 2.0  # between scans of the results folders


def serve(
    results: Sequence[Path], out: Path, port: int, trial_pages: int | None, report: Callable[[Built], None]
) -> None:
    """Build the site, serve it until Ctrl-C, and rebuild it when records change; `report` is called after each build.

    Raises:
        UsageError: the port is in use, or there are no records.
    """

    def build() -> Built:
        built = build_site(results, out, trial_pages=trial_pages)
        report(built)
        return built

    built_from = _records_state(results)
    build()
    try:
        server = SiteServer(out, port)
    except OSError as error:
        raise UsageError(
            f"cannot open port {port} ({error}): choose another with --port, or 0 for a free port"
        ) from error
    with server:
        say(f"http://{HOST}:{server.port}/ (stop with Ctrl-C)")
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(results, built_from, build, stop), daemon=True)
        watcher.start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
        stop.set()
        watcher.join()


def _watch(results: Sequence[Path], built_from: list[str], build: Callable[[], Built], stop: threading.Event) -> None:
    """Rebuild the site when a record is added, removed or changed. A failed build leaves the earlier site in place."""
    while not stop.wait(POLL_INTERVAL_S):
        now = _records_state(results)
        if now == built_from:
            continue
        built_from = now
        try:
            built = build()
            messages().print(f"rebuilt: {built.trials} records, {built.rendered} pages rendered")
        except (ZooError, OSError) as error:
            complain(str(error), "not rebuilt: ", "yellow")


def _records_state(results: Sequence[Path]) -> list[str]:
    """Digests of everything that the site is built from; empty while a folder cannot be read."""
    try:
        shards = scan(results)
        notes = read_verified(shard.folder for shard in shards)
        acknowledged = read_acknowledged(shard.folder for shard in shards)
        return [*(shard.digest for shard in shards), *map(repr, (read_conformance(results), notes, acknowledged))]
    except (OSError, UsageError):  # a folder is being moved: the next scan tries again
        return []
