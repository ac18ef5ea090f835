"""Builds the site. Only pages whose content changed are rendered; the others are reused from the earlier site."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zoo_core.errors import UsageError
from zoo_core.results.store import Unreadable
from zoo_leaderboard.records.conformance import read_conformance
from zoo_leaderboard.records.index import MAX_CANDIDATES, Head, Shard, cached_head, refresh, scan
from zoo_leaderboard.site.builder import Builder
from zoo_leaderboard.site.folder import open_folder, replacing
from zoo_leaderboard.site.processes import Failure, Progress, attempt, run_all, workers_for
from zoo_leaderboard.site.summary import load_state, save_state

DEFAULT_TRIAL_PAGES = MAX_CANDIDATES
WAITING = "waiting for another build of this site"  # the name of this work for `progress`


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """The result of a build: the page to open, the number of tasks and records, and what was left out.

    `rendered` is the number of rendered pages of tasks, models and trials; reused pages do not count. `failed` names
    each page and record that is left out because it made a page fail, with the reason. `kept` has each person's file
    that was in the place of a page, and its new name.
    """

    index: Path
    tasks: int
    trials: int
    rendered: int
    unreadable: list[Unreadable]
    failed: list[tuple[str, str]]
    kept: list[tuple[Path, Path]]


def build_site(
    results: Sequence[Path],
    out: Path,
    *,
    trial_pages: int | None = DEFAULT_TRIAL_PAGES,
    progress: Progress | None = None,
) -> Built:
    """Build the site of the records below `results` in the folder `out`.

    `trial_pages` is the largest number of trials that get a page of their own; None is no limit.

    Raises:
        UsageError: no records, or `out` cannot be replaced. An earlier site is left as it was.
    """
    show = progress or (lambda *_: None)
    with open_folder(out, lambda: show(WAITING, 0, 1)):
        return _build(results, out, trial_pages, show)


def _build(results: Sequence[Path], out: Path, trial_pages: int | None, show: Progress) -> Built:
    shards = scan(results)
    conformance = read_conformance(results)
    fresh = [shard for shard in shards if cached_head(shard) is None]
    with workers_for(sum(len(shard.files) for shard in fresh)) as workers:
        heads = _heads(shards, fresh, workers, show)
        unreadable = [Unreadable(Path(path), reason) for head in heads for path, reason in head.unreadable]
        _require_records(results, heads, unreadable)
        previous = load_state(out)
        with replacing(out) as site:
            builder = Builder(site, list(zip(shards, heads, strict=True)), conformance, previous, workers, show)
            after = builder.write(trial_pages)
    save_state(out, after)
    return Built(
        index=out / "index.html",
        tasks=len(after.tasks),
        trials=sum(head.trials for head in heads),
        rendered=builder.rendered,
        unreadable=unreadable,
        failed=builder.failed,
        kept=site.kept,
    )


def _heads(shards: Sequence[Shard], fresh: Sequence[Shard], workers: Executor | None, show: Progress) -> list[Head]:
    read = {shard.folder: head for shard, head in run_all(_read_head, fresh, workers, partial(show, "reading records"))}
    return [read.get(shard.folder) or cached_head(shard) or _read_head(shard) for shard in shards]


def _read_head(shard: Shard) -> Head:
    """Read a folder of records. One that cannot be read at all has no trials, and is named as unreadable."""
    head = attempt(refresh, shard)
    if not isinstance(head, Failure):
        return head
    nothing: dict[str, int] = {}
    return Head(
        digest=shard.digest,
        trials=0,
        unreadable=[(str(shard.folder), head.reason)],
        tasks=nothing,
        datasets=nothing,
        models=nothing,
        models_of={},
        candidates=[],
    )


def _require_records(results: Sequence[Path], heads: Sequence[Head], unreadable: Sequence[Unreadable]) -> None:
    if not any(head.trials for head in heads):
        named = "".join(f"; left out {item.path}: {item.reason}" for item in unreadable[:5])
        places = ", ".join(map(str, results))
        raise UsageError(f"there are no records in {places}{named}; `zoo bench TASK` makes some")
