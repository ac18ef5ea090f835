"""Builds the site: reads the records, makes the tables, writes the pages with their plots, pictures and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo_core.errors import UsageError
from zoo_core.records import Record
from zoo_core.store import Store, Unreadable
from zoo_leaderboard import export, plots
from zoo_leaderboard.conformance import Conformance, read_conformance
from zoo_leaderboard.curves import Curves, group_curves
from zoo_leaderboard.folder import replacing, require_replaceable
from zoo_leaderboard.names import file_name, short_hash
from zoo_leaderboard.pages import GroupView, Pages, TaskView
from zoo_leaderboard.pictures import copy_pictures
from zoo_leaderboard.tables import Group, TaskBoard, boards


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What was built: the page to open, how many tasks and records it shows, and what could not be read."""

    index: Path
    tasks: int
    trials: int
    unreadable: list[Unreadable]


def build(results: Path, out: Path) -> Built:
    """Write the site of the records below `results` to `out`. Raises UsageError before anything is touched."""
    require_replaceable(out)
    store = Store(results)
    items = list(store.read())
    records = [item for item in items if isinstance(item, Record)]
    unreadable = [item for item in items if isinstance(item, Unreadable)]
    if not records:
        named = "".join(f"; left out {item.path}: {item.reason}" for item in unreadable[:5])
        raise UsageError(f"there are no records in {results}{named}; `zoo bench TASK` makes some")
    found = boards(records)
    conformance = read_conformance(results)
    with replacing(out) as folder:
        write_site(found, store, folder, conformance)
    return Built(index=out / "index.html", tasks=len(found), trials=len(records), unreadable=unreadable)


def write_site(found: list[TaskBoard], store: Store, folder: Path, conformance: Mapping[str, Conformance]) -> None:
    """Write every file of the site into an empty folder."""
    styles = plots.assign_styles([board.models for board in found])
    pages = Pages(styles, conformance)
    for name in ("tasks", "data", "static"):
        (folder / name).mkdir()
    views = [_write_task(board, store, folder, styles) for board in found]
    for view in views:
        (folder / "tasks" / f"{view.slug}.html").write_text(pages.task(view), encoding="utf-8")
    (folder / "index.html").write_text(pages.index(views), encoding="utf-8")
    for name, content in pages.static_files():
        (folder / "static" / name).write_bytes(content)


def _write_task(board: TaskBoard, store: Store, folder: Path, styles: Mapping[str, plots.Style]) -> TaskView:
    """Write a task's data, plots and pictures; what its page needs to know of them."""
    slug = file_name(board.newest.task.name)
    assets = folder / "tasks" / slug
    curves = {group.id: group_curves(group) for group in board.groups}
    (folder / "data" / f"{slug}.json").write_bytes(export.task_json(board, curves))
    (folder / "data" / f"{slug}.csv").write_bytes(export.task_csv(board))
    assets.mkdir()
    views = []
    for group in board.groups:
        anchor = f"g-{short_hash(group.id)}"
        plot = _write_plot(curves[group.id], group, styles, assets / f"{anchor}-curves.svg")
        pictures = copy_pictures(group, store, assets, anchor)
        views.append(GroupView(group=group, anchor=anchor, plot=plot, curves=curves[group.id], pictures=pictures))
    return TaskView(board=board, slug=slug, groups=views)


def _write_plot(curves: Curves, group: Group, styles: Mapping[str, plots.Style], path: Path) -> str:
    """The plot's file name; empty where no curve was recorded."""
    if not curves.lines:
        return ""
    path.write_text(plots.learning_curves(curves, group.newest.task, styles), encoding="utf-8")
    return path.name
