"""Writes one task's files: page, history, plots, pictures and data. It may run in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from zoo_core.results.records import Record
from zoo_leaderboard.board import history
from zoo_leaderboard.board.curves import Curves, group_curves, table_points, unique_label
from zoo_leaderboard.board.rows import Row, plain_rows
from zoo_leaderboard.board.standing import Standing, separation_words, standings
from zoo_leaderboard.board.tables import Group, TaskBoard, Versions, task_board
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.records.entries import Entry
from zoo_leaderboard.records.index import Shard, load_entries, read_record
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.site import export, plots
from zoo_leaderboard.site.pages import GroupView, HistoryView, Pages, Plot, TaskView
from zoo_leaderboard.site.pictures import Pictures, copy_best
from zoo_leaderboard.site.plots import Style
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary
from zoo_leaderboard.text.formats import bare, clip, plugin
from zoo_leaderboard.text.labels import as_label
from zoo_leaderboard.text.names import file_name

MAX_LISTED_FAILURES = 200  # on a page; the data files have all
MAX_COMMANDS = 20
MAX_COST_POINTS = 60  # models in a plot of score against cost
NAMED_COST_POINTS = 9  # of them in the legend, besides the Pareto-optimal ones
COSTS = (("latency_ms", "Latency (ms)"), ("parameters", "Parameters"), ("train_s", "Train time (s)"))


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskJob:
    """Everything that a task's files are made from. `trials` maps record ids to the file names of their pages."""

    name: str
    shards: Sequence[Shard]
    versions: Versions
    styles: Mapping[str, Style]
    conformance: Mapping[str, Conformance]
    trials: Mapping[str, str]
    folder: Path


def write_task(job: TaskJob) -> TaskSummary:
    """Write a task's files into the site's folder; returns the summary for the site-wide pages."""
    entries = [entry for shard in job.shards for entry in load_entries(shard) if entry.task == job.name]
    board = task_board(entries, job.versions)
    return _TaskWriter(job, board).write()


class _TaskWriter:
    """Writes the files of one task; remembers the written files and the opened records."""

    def __init__(self, job: TaskJob, board: TaskBoard) -> None:
        self.job, self.board, self.slug = job, board, file_name(job.name)
        self.assets = job.folder / "tasks" / self.slug
        self.assets.mkdir(exist_ok=True)
        self.files: list[str] = []
        self._records: dict[str, Record] = {}

    def read(self, entry: Entry) -> Record:
        """Read a trial's record; it is read only once."""
        if entry.id not in self._records:
            self._records[entry.id] = read_record(entry.path)
        return self._records[entry.id]

    def write(self) -> TaskSummary:
        """Write all files; returns the task's summary."""
        pages = Pages(self.job.styles, self.job.conformance)
        facts = self.read(self.board.newest).task
        ranked = standings(self.board.groups)
        curves = {group.key: group_curves(group, self.read) for group in self.board.groups}
        pairs = history.model_histories(self.board.history)
        view = TaskView(
            board=self.board,
            facts=facts,
            slug=self.slug,
            groups=[self._group_view(group, ranked[group.key], curves[group.key]) for group in self.board.groups],
            skipped=self.board.skipped[::-1][:MAX_LISTED_FAILURES],
            imported=[export.imported(entry) for entry in self.board.imported],
            history=bool(pairs),
            filters=_filters(self.board.groups, ranked),
            trial_slugs=self.job.trials,
        )
        self._write_file(f"tasks/{self.slug}.html", pages.task(view))
        if pairs:
            shown = [self._history_view(pair, facts.metric) for pair in pairs[: history.MAX_HISTORIES]]
            self._write_file(f"history/{self.slug}.html", pages.history(view, shown, len(pairs) - len(shown)))
        groups = [(group, ranked[group.key]) for group in self.board.groups]
        self._write_file(f"data/{self.slug}.json", export.task_json(self.board, facts, ranked, curves))
        self._write_file(f"data/{self.slug}.csv", export.task_csv(self.board, ranked))
        self._write_file(
            f"data/{self.slug}.js",
            export.task_script(self.slug, facts.title, facts.metric, facts.higher_is_better, groups),
        )
        return self._summary(view)

    def _write_file(self, name: str, content: str | bytes) -> None:
        content = content.encode("utf-8", "replace") if isinstance(content, str) else content
        (self.job.folder / name).write_bytes(content)
        self.files.append(name)

    def _write_plot(self, name: str, job: plots.Job) -> Plot:
        self._write_file(f"tasks/{self.slug}/{name}.svg", plots.render(job))
        return Plot(file=f"{name}.svg", words=job.title)

    def _group_view(self, group: Group, ranked: Standing, curves: Curves) -> GroupView:
        rows = ranked.rows
        record = self.read(group.newest)
        unsuccessful = group.unsuccessful
        costs = {name: _cost_points(rows, name, higher_is_better=record.task.higher_is_better) for name, _ in COSTS}
        named = {point.label: point.model for points in costs.values() for point in points if point.model}
        trials = [entry for entries in group.by_row.values() for entry in entries if entry.id in self.job.trials]
        return GroupView(
            group=group,
            record=record,
            rows=rows,
            devices=ranked.devices,
            hardware=list(dict.fromkeys(entry.device_name for entry in group.trials if entry.device_name)),
            first_two=separation_words(ranked.first_two),
            by_example=any("test sample" in (row.covers or "") for row in rows),
            failures=unsuccessful[::-1][:MAX_LISTED_FAILURES],
            failures_left_out=max(0, len(unsuccessful) - MAX_LISTED_FAILURES),
            trials=sorted(trials, key=lambda entry: entry.started_at, reverse=True),
            curves=curves,
            points=plain_rows(table_points(curves)) if curves.lines else [],
            curve_plots=self._curve_plots(group, record, curves),
            curve_legend={line.label: line.model for line in curves.lines},
            cost_plots=self._cost_plots(group, record, costs),
            cost_legend=named,
            pictures=self._pictures(group, rows),
            commands=_recorded_commands(group, self.read),
        )

    def _curve_plots(self, group: Group, record: Record, curves: Curves) -> list[Plot]:
        if not curves.lines:
            return []
        jobs = {
            by: plots.learning_curves(curves, record.task, self.job.styles, by, group.newest.origin)
            for by in ("step", "seconds")
        }
        return [self._write_plot(f"{group.anchor}-by-{by}", job) for by, job in jobs.items()]

    def _cost_plots(self, group: Group, record: Record, costs: Mapping[str, Sequence[plots.Point]]) -> list[Plot]:
        found = []
        for name, axis in COSTS:
            if len(costs[name]) > 1:
                job = plots.score_against(costs[name], record.task, self.job.styles, axis, group.newest.origin)
                found.append(self._write_plot(f"{group.anchor}-{name.replace('_', '-')}", job))
        return found

    def _pictures(self, group: Group, rows: Sequence[Row]) -> Pictures | None:
        best = next((row for row in rows if row.rank is not None), None)
        if best is None:
            return None
        found = copy_best(group.ok(best.row), self.read, self.assets, group.anchor)
        if found is not None:
            names = [name for _, name in found.shown] + ([found.thumbnail] if found.thumbnail else [])
            self.files += [f"tasks/{self.slug}/{name}" for name in names]
        return found

    def _history_view(self, pair: history.ModelHistory, metric: str) -> HistoryView:
        title = f"{clip(bare(pair.model), 40)} on {clip(pair.dataset, 40)}"
        found = [
            self._write_plot(
                f"{pair.anchor}-score",
                plots.over_time(history.plotted(pair), f"{title}: score", clip(as_label(metric), 40), self.job.styles),
            )
        ]
        speeds = history.plotted_speed(pair)
        if len(speeds) > 1:
            job = plots.over_time(speeds, f"{title}: train time", "Train time (s)", self.job.styles)
            found.append(self._write_plot(f"{pair.anchor}-speed", job))
        return HistoryView(pair=pair, plots=found)

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


def _cost_points(rows: Sequence[Row], cost: str, *, higher_is_better: bool) -> list[plots.Point]:
    """The ranked models with a known cost; times of disturbed trials do not count. The first ones have names."""
    found = [
        (row, float(value), row.score)
        for row in rows
        if row.rank is not None and row.score is not None and (row.quiet or cost == "parameters")
        if (value := getattr(row, cost)) is not None and value > 0
    ][:MAX_COST_POINTS]
    on_front = plots.pareto_front([(value, score) for _, value, score in found], higher_is_better=higher_is_better)
    labels: set[str] = set()
    named = [front or place < NAMED_COST_POINTS for place, front in enumerate(on_front)]
    return [
        plots.Point(
            label=unique_label(row.model, row.variant, labels) if name else "others",
            model=row.model if name else "",
            x=value,
            score=score,
            low=row.low,
            high=row.high,
            front=front,
        )
        for (row, value, score), front, name in zip(found, on_front, named, strict=True)
    ]


def _recorded_commands(group: Group, read: Callable[[Entry], Record]) -> list[str]:
    """The commands of the group's latest trials, newest first."""
    latest = group.trials[: -MAX_COMMANDS - 1 : -1]
    return list(dict.fromkeys(filter(None, (read(entry).command for entry in latest))))


def _filters(groups: Sequence[Group], ranked: Mapping[GroupKey, Standing]) -> dict[str, list[str]]:
    """The choices by which a reader can filter the tables; only those with more than one value on the page."""
    rows = [row for group in groups for row in ranked[group.key].rows]
    found = {
        "device": {group.newest.device for group in groups},
        "data": {group.newest.origin for group in groups},
        "recipe": {group.newest.recipe_class for group in groups},
        "plugin": {plugin(row.model) for row in rows},
        "hardware": {row.hardware for row in rows},
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
        places=[msgspec.convert(row, Place, from_attributes=True) for row in view.rows],
    )
