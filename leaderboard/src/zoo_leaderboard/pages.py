"""Tables to pages: jinja2 templates that escape everything and refuse a name they were not given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from zoo_core.records import Record
from zoo_leaderboard import commands, formats
from zoo_leaderboard.conformance import Conformance
from zoo_leaderboard.curves import Curves, table_points
from zoo_leaderboard.export import rows
from zoo_leaderboard.pictures import Pictures
from zoo_leaderboard.plots import HEIGHT, WIDTH, Style
from zoo_leaderboard.tables import ENOUGH_SEEDS, Group, TaskBoard

MOST_FAILURES = 200  # listed on a page; the data beside it have all
FILTERS = (
    *(formats.score, formats.seconds, formats.number, formats.count, formats.large, formats.statuses),
    *(formats.plain, formats.clip, formats.bare, formats.plugin, formats.day),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GroupView:
    """A group and the files made for it; `plot` is a file name, empty where there is none."""

    group: Group
    anchor: str
    plot: str
    curves: Curves
    pictures: Pictures | None

    @property
    def record(self) -> Record:
        return self.group.newest

    @property
    def models(self) -> list[dict[str, Any]]:
        return rows(self.group.models)

    @property
    def best(self) -> dict[str, Any] | None:
        found = rows(self.group.ranked.head(1))
        return found[0] if found else None

    @property
    def failures(self) -> list[dict[str, Any]]:
        return rows(self.group.unsuccessful.iloc[::-1].head(MOST_FAILURES))

    @property
    def failures_left_out(self) -> int:
        return max(0, len(self.group.unsuccessful) - MOST_FAILURES)

    @property
    def points(self) -> list[dict[str, Any]]:
        return rows(table_points(self.curves))

    @property
    def devices(self) -> list[str]:
        """The names of the devices that the trials ran on."""
        named = [record.device.name for record in self.group.records.values() if record.device.name]
        return list(dict.fromkeys(named))

    @property
    def examples(self) -> dict[str, int]:
        found = [record.dataset.examples for record in self.group.records.values() if record.dataset.examples]
        return found[-1] if found else {}

    @property
    def command(self) -> str:
        first = self.group.ranked["row"] if not self.group.ranked.empty else self.group.models["row"]
        return commands.reproduce(self.group, str(first.iloc[0]))

    @property
    def recorded(self) -> list[str]:
        return commands.recorded(self.group)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskView:
    """A task's board, the name of its files, and its groups' views."""

    board: TaskBoard
    slug: str
    groups: Sequence[GroupView]

    @property
    def record(self) -> Record:
        return self.board.newest

    @property
    def thumbnail(self) -> str:
        """The picture that stands for the task: of its first group that has one; empty where none has."""
        return next(
            (group.pictures.thumbnail for group in self.groups if group.pictures and group.pictures.thumbnail), ""
        )

    @property
    def skipped(self) -> list[dict[str, Any]]:
        return rows(self.board.skipped.iloc[::-1].head(MOST_FAILURES))


class Pages:
    """Renders pages; `styles` are the models' colours on the whole site, `conformance` is by plugin."""

    def __init__(self, styles: Mapping[str, Style], conformance: Mapping[str, Conformance]) -> None:
        self._environment = Environment(
            loader=PackageLoader("zoo_leaderboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update({function.__name__: function for function in FILTERS})
        self._environment.tests["link"] = formats.is_link
        self._environment.globals.update(
            styles=styles,
            conformance=conformance,
            enough_seeds=ENOUGH_SEEDS,
            plot_width=WIDTH,
            plot_height=HEIGHT,
            dash=formats.DASH,
        )

    def index(self, views: Sequence[TaskView]) -> str:
        """The page of all tasks."""
        return self._environment.get_template("index.html").render(
            root="",
            tasks=views,
            models=len({name for view in views for name in view.board.models}),
            trials=sum(view.board.trials for view in views),
            failures=sum(view.board.failures for view in views),
            newest=max(view.record.started_at for view in views),
        )

    def task(self, view: TaskView) -> str:
        """The page of one task."""
        return self._environment.get_template("task.html").render(root="../", view=view, board=view.board)

    def static_files(self) -> Iterator[tuple[str, bytes]]:
        """The files that every page shares, by name."""
        for file in resources.files("zoo_leaderboard").joinpath("static").iterdir():
            yield file.name, file.read_bytes()
