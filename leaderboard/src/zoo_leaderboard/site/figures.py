"""Figures as PNG files, for reports and for links: SVG documents of the site on white."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from zoo_core.errors import UsageError
from zoo_core.files import write_atomically
from zoo_leaderboard.site.build import Built, build_site
from zoo_leaderboard.site.card import index_card, task_card
from zoo_leaderboard.site.raster import as_png
from zoo_leaderboard.site.summary import TaskSummary

SCALE = 3.0  # pixels of the PNG for one of the SVG: enough for print


def export_figures(results: Sequence[Path], into: Path, tasks: Collection[str] = ()) -> tuple[list[Path], Built]:
    """Write the cards and plots of the tasks, all by default, as PNG files `<task>/<plot>.png` below `into`.

    Also returns the build that they are from, which says what it left out.

    Raises:
        UsageError: no records, or no task has one of these names.
    """
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(temporary) / "site"
        built = build_site(results, site, trial_pages=0)
        unknown = set(tasks) - {name for task in built.summaries for name in _names(task)}
        if unknown:
            known = ", ".join(task.name for task in built.summaries)
            raise UsageError(f"no records of the task {', '.join(sorted(unknown))}; there are: {known}")
        chosen = [task for task in built.summaries if not tasks or set(tasks) & set(_names(task))]
        written = [_write(into / "leading-models.png", index_card(chosen), 1.0)]
        for task in chosen:
            written.append(_write(into / task.slug / "leading-models.png", task_card(task), 1.0))
            plots = (path for path in sorted((site / "tasks" / task.slug).glob("*.svg")) if path.name != "badge.svg")
            written += [_write(into / task.slug / f"{path.stem}.png", path.read_text("utf-8"), SCALE) for path in plots]
        return written, built


def _names(task: TaskSummary) -> tuple[str, str]:
    return task.name, task.name.partition(":")[2]


def _write(path: Path, svg: str, scale: float) -> Path:
    write_atomically(path, as_png(svg, scale))
    return path
