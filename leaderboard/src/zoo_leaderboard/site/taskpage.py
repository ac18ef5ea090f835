"""One task's files: its page, history, plots, pictures and data. At times it runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.results.records import Record
from zoo_leaderboard.board import commands, history
from zoo_leaderboard.board.curves import Curves, group_curves, table_points, unique_label
from zoo_leaderboard.board.standing import Standing, separation_words, standing
from zoo_leaderboard.board.tables import Group, TaskBoard, Versions, plain_rows, task_board
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.records.entries import Entry
from zoo_leaderboard.records.index import Shard, load, read_record
from zoo_leaderboard.records.keys import GroupKey, RowKey
from zoo_leaderboard.site import export, plots
from zoo_leaderboard.site.pages import GroupView, Pages, PairView, Plot, TaskView
from zoo_leaderboard.site.pictures import copy_best
from zoo_leaderboard.site.plots import Style
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary
from zoo_leaderboard.text.formats import bare, clip, plugin
from zoo_leaderboard.text.names import file_name

MOST_FAILURES = 200  # listed on a page; the data beside it have all
MOST_COMMANDS = 20
MOST_POINTS = 60  # models in a plot of score against cost
LABELLED = 9  # of them with a name in the legend
COSTS = (("latency_ms", "latency (ms)"), ("parameters", "parameters"), ("train_s", "train time (s)"))


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskJob:
    """What a task's files are made from. `trials` are the file names of the trials' own pages, by record id."""

    name: str
    shards: Sequence[Shard]
    versions: Versions
    styles: Mapping[str, Style]
    conformance: Mapping[str, Conformance]
    trials: Mapping[str, str]
    folder: Path


def write_task(job: TaskJob) -> TaskSummary:
    """Write a task's files below the site's folder; what the other pages need to know of it."""
    entries = [entry for shard in job.shards for entry in load(shard) if entry.task == job.name]
    board = task_board(entries, job.versions)
    return _Writer(job, board).write()


class _Writer:
    """The files of one task: what was written, and the records that were opened, are kept across its steps."""

    def __init__(self, job: TaskJob, board: TaskBoard) -> None:
        self.job, self.board, self.slug = job, board, file_name(job.name)
        self.assets = job.folder / "tasks" / self.slug
        self.assets.mkdir(exist_ok=True)
        self.files: list[str] = []
        self._records: dict[str, Record] = {}

    def read(self, entry: Entry) -> Record:
        """A trial's record, opened once."""
        if entry.id not in self._records:
            self._records[entry.id] = read_record(entry.path)
        return self._records[entry.id]

    def write(self) -> TaskSummary:
        """Write everything; the summary says what."""
        pages = Pages(self.job.styles, self.job.conformance)
        facts = self.read(self.board.newest).task
        standings = {group.key: standing(group) for group in self.board.groups}
        curves = {group.key: group_curves(group, self.read) for group in self.board.groups}
        pairs = history.pairs(self.board.history)
        view = TaskView(
            board=self.board,
            facts=facts,
            slug=self.slug,
            groups=[self._group(group, standings, curves[group.key]) for group in self.board.groups],
            skipped=plain_rows(self.board.skipped.iloc[::-1].head(MOST_FAILURES)),
            imported=[export.imported(entry) for entry in self.board.imported],
            history=bool(pairs),
            filters=_filters(self.board),
            trial_slugs=self.job.trials,
        )
        self._save(f"tasks/{self.slug}.html", pages.task(view))
        if pairs:
            shown = [self._pair(pair, facts.metric) for pair in pairs[: history.MOST_PAIRS]]
            self._save(f"history/{self.slug}.html", pages.history(view, shown, len(pairs) - len(shown)))
        groups = [(group, standings[group.key]) for group in self.board.groups]
        self._save(f"data/{self.slug}.json", export.task_json(self.board, facts, standings, curves))
        self._save(f"data/{self.slug}.csv", export.task_csv(self.board, standings))
        self._save(
            f"data/{self.slug}.js",
            export.task_script(self.slug, facts.title, facts.metric, facts.higher_is_better, groups),
        )
        return self._summary(view)

    def _save(self, name: str, content: str | bytes) -> None:
        content = content.encode("utf-8", "replace") if isinstance(content, str) else content
        (self.job.folder / name).write_bytes(content)
        self.files.append(name)

    def _plot(self, name: str, job: plots.Job) -> Plot:
        self._save(f"tasks/{self.slug}/{name}.svg", plots.render(job))
        return Plot(file=f"{name}.svg", words=job.title)

    def _group(self, group: Group, standings: Mapping[GroupKey, Standing], curves: Curves) -> GroupView:
        found = standings[group.key]
        devices, rows = _beside(group, self.board.groups, standings)
        for row in rows:
            row["command"] = commands.reproduce(group.by_row[row["row"]])
        record = self.read(group.newest)
        unsuccessful = group.unsuccessful
        costs = {name: _points(rows, name, higher_is_better=record.task.higher_is_better) for name, _ in COSTS}
        named = {point.label: point.model for points in costs.values() for point in points if point.model}
        trials = [entry for entries in group.by_row.values() for entry in entries if entry.id in self.job.trials]
        return GroupView(
            group=group,
            record=record,
            rows=rows,
            devices=devices,
            hardware=list(dict.fromkeys(name for name in group.trials["device_name"] if name)),
            first_two=separation_words(found.first_two),
            by_example=any("test sample" in str(row["covers"]) for row in rows),
            failures=plain_rows(unsuccessful.iloc[::-1].head(MOST_FAILURES)),
            failures_left_out=max(0, len(unsuccessful) - MOST_FAILURES),
            trials=sorted(trials, key=lambda entry: entry.started_at, reverse=True),
            curves=curves,
            points=plain_rows(table_points(curves)) if curves.lines else [],
            curve_plots=self._curve_plots(group, record, curves),
            curve_legend={line.label: line.model for line in curves.lines},
            cost_plots=self._cost_plots(group, record, costs),
            cost_legend=named,
            pictures=self._pictures(group, rows),
            commands=_recorded(group, self.read),
        )

    def _curve_plots(self, group: Group, record: Record, curves: Curves) -> list[Plot]:
        if not curves.lines:
            return []
        jobs = {
            by: plots.learning_curves(curves, record.task, self.job.styles, by, group.newest.origin)
            for by in ("step", "seconds")
        }
        return [self._plot(f"{group.anchor}-by-{by}", job) for by, job in jobs.items()]

    def _cost_plots(self, group: Group, record: Record, costs: Mapping[str, Sequence[plots.Point]]) -> list[Plot]:
        found = []
        for name, axis in COSTS:
            if len(costs[name]) > 1:
                job = plots.score_against(costs[name], record.task, self.job.styles, axis, group.newest.origin)
                found.append(self._plot(f"{group.anchor}-{name.replace('_', '-')}", job))
        return found

    def _pictures(self, group: Group, rows: Sequence[Mapping[str, Any]]) -> Any:
        best = next((row for row in rows if row["rank"] is not None), None)
        if best is None:
            return None
        found = copy_best(group.ok(best["row"]), self.read, self.assets, group.anchor)
        if found is not None:
            names = [name for _, name in found.shown] + ([found.thumbnail] if found.thumbnail else [])
            self.files += [f"tasks/{self.slug}/{name}" for name in names]
        return found

    def _pair(self, pair: history.PairHistory, metric: str) -> PairView:
        title = f"{clip(bare(pair.model), 40)} on {clip(pair.dataset, 40)}"
        found = [
            self._plot(
                f"{pair.anchor}-score",
                plots.over_time(history.plotted(pair), f"{title}: score", clip(metric, 40), self.job.styles),
            )
        ]
        speeds = history.plotted_speed(pair)
        if len(speeds) > 1:
            job = plots.over_time(speeds, f"{title}: train time", "train time (s)", self.job.styles)
            found.append(self._plot(f"{pair.anchor}-speed", job))
        return PairView(pair=pair, plots=found)

    def _summary(self, view: TaskView) -> TaskSummary:
        facts, board = view.facts, self.board
        thumbnails = (group.pictures.thumbnail for group in view.groups if group.pictures)
        return TaskSummary(
            name=facts.name,
            title=facts.title,
            summary=facts.summary,
            slug=self.slug,
            metric=facts.metric,
            higher_is_better=facts.higher_is_better,
            version=facts.version,
            thumbnail=next(filter(None, thumbnails), ""),
            trials=board.trials,
            failures=board.failures,
            skipped=len(board.skipped),
            newest=board.newest.started_at,
            models=board.models,
            groups=[_group_summary(group) for group in view.groups],
            files=self.files,
        )


def _beside(
    group: Group, groups: Sequence[Group], standings: Mapping[GroupKey, Standing]
) -> tuple[list[str], list[dict[str, Any]]]:
    """The classes of device of the group's setting, its own first, and its rows with the speed on each of them."""
    setting = [other for other in groups if other.key.setting == group.key.setting and other is not group]
    devices = [group.newest.device, *(other.newest.device for other in setting)]
    elsewhere = {
        (other.newest.device, _settings(row["row"])): row for other in setting for row in standings[other.key].rows
    }
    rows = [dict(row) for row in standings[group.key].rows]
    for row in rows:
        there = [row, *(elsewhere.get((device, _settings(row["row"]))) for device in devices[1:])]
        row["speeds"] = [
            (one["throughput"], one["latency_ms"], bool(one["quiet"])) if one else (None, None, True) for one in there
        ]
    return devices, rows


def _settings(row: str) -> str:
    """What a row's trials share beside their group."""
    return RowKey.parse(row).model.text


def _points(rows: Sequence[Mapping[str, Any]], cost: str, *, higher_is_better: bool) -> list[plots.Point]:
    """The ranked models of which a cost is known; times of disturbed trials are none. The first have names."""
    quiet = [row for row in rows if row["rank"] is not None and (row["quiet"] or cost == "parameters")]
    found = [row for row in quiet if row[cost] is not None and row[cost] > 0][:MOST_POINTS]
    costs = [(float(row[cost]), row["score"]) for row in found]
    on_front = plots.front(costs, higher_is_better=higher_is_better)
    labels: set[str] = set()
    named = [front or place < LABELLED for place, front in enumerate(on_front)]
    return [
        plots.Point(
            label=unique_label(row["model"], row["variant"], labels) if name else "others",
            model=row["model"] if name else "",
            x=float(row[cost]),
            score=row["score"],
            low=row["low"],
            high=row["high"],
            front=front,
        )
        for row, front, name in zip(found, on_front, named, strict=True)
    ]


def _recorded(group: Group, read: Callable[[Entry], Record]) -> list[str]:
    """The commands that the group's latest trials were started with."""
    latest = list(group.trials["id"])[: -MOST_COMMANDS - 1 : -1]
    entries = {entry.id: entry for entries in group.by_row.values() for entry in entries if entry.id in set(latest)}
    return list(dict.fromkeys(filter(None, (read(entries[name]).command for name in latest))))


def _filters(board: TaskBoard) -> dict[str, list[str]]:
    """What a person may narrow the tables down to: only what the page has more than one of."""
    groups, rows = board.groups, [row for group in board.groups for row in group.models.itertuples()]
    found = {
        "device": {group.newest.device for group in groups},
        "data": {group.newest.origin for group in groups},
        "recipe": {group.newest.recipe_class for group in groups},
        "plugin": {plugin(str(row.model)) for row in rows},
        "hardware": {str(row.hardware) for row in rows},
    }
    return {name: sorted(choices) for name, choices in found.items() if len(choices) > 1}


def _group_summary(view: GroupView) -> GroupSummary:
    entry, dataset = view.group.newest, view.record.dataset
    return GroupSummary(
        anchor=view.group.anchor,
        dataset_title=dataset.title,
        origin=dataset.origin,
        recipe_class=entry.recipe_class,
        device=entry.device,
        task_version=entry.task_version,
        stale=view.group.stale,
        places=[Place(**{name: row[name] for name in Place.__struct_fields__}) for row in view.rows],
    )
