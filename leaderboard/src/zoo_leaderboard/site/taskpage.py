"""Writes one task's files: page, history, plots, pictures and data. It may run in a worker process."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from zoo_core.results.records import LeftOut, Record
from zoo_leaderboard.board import history
from zoo_leaderboard.board.claims import comparison_words, lead_words, separation_words
from zoo_leaderboard.board.curves import Curves, group_curves, table_points
from zoo_leaderboard.board.history import ModelHistory
from zoo_leaderboard.board.references import references_elsewhere, references_on
from zoo_leaderboard.board.row_labels import row_labels
from zoo_leaderboard.board.rows import Row, plain_rows
from zoo_leaderboard.board.standing import Standing, standings
from zoo_leaderboard.board.sweeps import Sweep, sweeps
from zoo_leaderboard.board.tables import Group, TaskBoard, Versions, task_board
from zoo_leaderboard.records.acknowledged import reason_for
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.records.current import load_current
from zoo_leaderboard.records.index import LeftOutFile, Shard, load_trials, oldest_first, others_with_its_id, read_record
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.records.verified import Notes, describe_notes
from zoo_leaderboard.site import export, plots
from zoo_leaderboard.site.badge import badge, badge_words
from zoo_leaderboard.site.card import task_card
from zoo_leaderboard.site.costplots import score_against
from zoo_leaderboard.site.costs import CostView, cost_views, year_views
from zoo_leaderboard.site.failures import failures_of
from zoo_leaderboard.site.hardware import machines_of, timed_tables
from zoo_leaderboard.site.isolation import make_without_culprits
from zoo_leaderboard.site.legend import size_of
from zoo_leaderboard.site.manifest import content_digest
from zoo_leaderboard.site.mistakespage import MistakesView, mistakes_script, mistakes_views
from zoo_leaderboard.site.options import SiteOptions
from zoo_leaderboard.site.pages import Pages
from zoo_leaderboard.site.pictures import Pictures, copy_best
from zoo_leaderboard.site.plotdata import PlotData, plots_script
from zoo_leaderboard.site.plots import Style
from zoo_leaderboard.site.raster import as_png
from zoo_leaderboard.site.summary import TaskSummary
from zoo_leaderboard.site.sweeps import score_by_key
from zoo_leaderboard.site.task_parts import (
    MAX_TRIALS_FOR_COMMANDS,
    bars_of,
    filters_of,
    newest_finished,
    newest_first,
    recorded_commands,
    with_facts,
)
from zoo_leaderboard.site.task_summary import summarise_task
from zoo_leaderboard.site.texts import Texts, texts_of_best
from zoo_leaderboard.site.views import BestTrial, GroupView, HistoryView, Plot, SweepView, TaskView
from zoo_leaderboard.text.formats import bare, clip
from zoo_leaderboard.text.labels import as_label
from zoo_leaderboard.text.names import file_name

MAX_LISTED_TRIALS = 200  # in a list of failed or skipped trials on a page; the data files have all
STATE_DIGITS = 12  # of the digest that a link to a view carries
MAX_CLASSES = 20  # of a confusion matrix on the page; the trial's page has larger ones


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskJob:
    """Everything that a task's files are made from.

    `trial_slugs` maps record ids to the file names of their pages. `acknowledged` as `read_acknowledged` gives it.
    """

    name: str
    shards: Sequence[Shard]
    versions: Versions
    styles: Mapping[str, Style]
    conformance: Mapping[str, Conformance]
    verified: Notes
    trial_slugs: Mapping[str, str]
    acknowledged: Mapping[str, str]
    options: SiteOptions
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenTask:
    """The summary for the site-wide pages, None if nothing of the task can be shown; and what is left out of it."""

    summary: TaskSummary | None
    left_out: list[LeftOutFile]


def write_task(job: TaskJob) -> WrittenTask:
    """Write a task's files into the site's folder, without the records that it cannot be written with."""
    loaded = [trial for shard in job.shards for trial in load_trials(shard) if trial.task == job.name]
    trials = oldest_first(loaded)
    current = load_current(shard.folder for shard in job.shards)

    def write(some: Sequence[TrialSummary]) -> TaskSummary:
        _remove_files(job)  # of an attempt that failed
        return _TaskWriter(job, task_board(some, job.versions, current)).write()

    summary, culprits = make_without_culprits(write, trials)
    if summary is None:
        _remove_files(job)
    left_out = [*others_with_its_id(loaded, trials), *((trial.path, reason) for trial, reason in culprits)]
    if summary is not None:
        summary = msgspec.structs.replace(summary, left_out=left_out, complete=not culprits)
    return WrittenTask(summary=summary, left_out=left_out)


def _remove_files(job: TaskJob) -> None:
    """Remove all files of the task from the new site."""
    slug = file_name(job.name)
    shutil.rmtree(job.folder / "tasks" / slug, ignore_errors=True)
    for name in (
        f"tasks/{slug}.html",
        f"history/{slug}.html",
        *(f"mistakes/{slug}.{kind}" for kind in ("html", "js")),
        *(f"data/{slug}.{kind}" for kind in ("json", "csv", "js", "parquet")),
        f"plots/{slug}.js",
    ):
        (job.folder / name).unlink(missing_ok=True)


class _TaskWriter:
    """Writes the files of one task; remembers the written files and the opened records."""

    def __init__(self, job: TaskJob, board: TaskBoard) -> None:
        self.job, self.board, self.slug = job, board, file_name(job.name)
        self.pages = Pages(job.styles, job.conformance, job.options)
        self.assets = job.folder / "tasks" / self.slug
        self.assets.mkdir(exist_ok=True)
        self.files: list[str] = []
        self.labels: dict[str, str] = {}
        self._plots: dict[str, tuple[str, PlotData]] = {}
        self._records: dict[str, Record] = {}
        self.facts = self.read(with_facts(board)).task

    def read(self, trial: TrialSummary) -> Record:
        """Read a trial's record; it is read only once."""
        if trial.id not in self._records:
            self._records[trial.id] = read_record(trial.path)
        return self._records[trial.id]

    def write(self) -> TaskSummary:
        """Write all files; returns the task's summary."""
        ranked = standings(self.board.groups)
        self.labels = row_labels([ranked[group.key].rows for group in self.board.groups])
        curves = {group.key: group_curves(group, self.read) for group in self.board.groups}
        histories = history.model_histories(self.board.history)
        numbers = export.task_json(self.board, self.facts, ranked, curves, self.job.verified)
        tables = [(group, ranked[group.key].rows) for group in self.board.groups]
        timed = timed_tables(tables, self.board.history, self.labels)
        mistakes = mistakes_views(tables, self.labels, self.read, self.assets)
        view = TaskView(
            board=self.board,
            facts=self.facts,
            slug=self.slug,
            groups=[self._group_view(group, ranked[group.key], curves[group.key]) for group in self.board.groups],
            sweeps=[
                self._sweep_view(sweep)
                for sweep in sweeps(self.board.groups, {key: standing.rows for key, standing in ranked.items()})
            ],
            skipped=newest_first(self.board.skipped)[:MAX_LISTED_TRIALS],
            skipped_left_out=max(0, len(self.board.skipped) - MAX_LISTED_TRIALS),
            references=references_elsewhere(self.facts, {group.newest.dataset for group in self.board.groups}),
            imported=[export.imported(trial) for trial in self.board.imported],
            history=bool(histories),
            state=content_digest(numbers)[:STATE_DIGITS],
            mistakes={view.anchor for view in mistakes},
            timed={anchor for table in timed for anchor in table.anchors},
            filters=filters_of(self.board.groups, ranked),
            trial_slugs=self.job.trial_slugs,
            failures=failures_of(
                (trial for group in self.board.groups if not group.stale for trial in group.trials),
                self.job.trial_slugs,
            ),
        )
        self._write_file(f"tasks/{self.slug}.html", self.pages.task(view))
        self._write_history(view, histories)
        self._write_mistakes(mistakes)
        self._write_data(ranked, numbers)
        if self._plots:
            self._write_file(f"plots/{self.slug}.js", plots_script(self.slug, self._plots))
        summary = summarise_task(view, histories, self.job.acknowledged)
        self._write_file(f"tasks/{self.slug}/badge.svg", badge(summary.title, badge_words(summary)))
        if self.job.options.url:
            self._write_file(f"tasks/{self.slug}/card.png", as_png(task_card(summary)))
        return msgspec.structs.replace(
            summary,
            files=self.files,
            machines=machines_of(self.board.history, self.read),
            timed=timed,
        )

    def _write_history(self, view: TaskView, histories: Sequence[ModelHistory]) -> None:
        """Write the page of the models over time, if there is a history."""
        if not histories:
            return
        shown = [self._history_view(item, view.facts.metric) for item in histories[: history.MAX_HISTORIES]]
        page = self.pages.history(view, shown, len(histories) - len(shown))
        self._write_file(f"history/{self.slug}.html", page)

    def _write_mistakes(self, views: Sequence[MistakesView]) -> None:
        """Write the page of what the models get wrong, if there are results by example."""
        if not views:
            return
        self.files += [f"tasks/{self.slug}/{sheet.file}" for view in views for sheet in view.tiles.sheets]
        self._write_file(f"mistakes/{self.slug}.html", self.pages.mistakes(self.facts, self.slug, views))
        self._write_file(f"mistakes/{self.slug}.js", mistakes_script(self.slug, self.facts, views))

    def _write_data(self, ranked: Mapping[GroupKey, Standing], numbers: bytes) -> None:
        """Write the numbers of the page as JSON and in other forms, and as a script for the compare page."""
        facts = self.facts
        self._write_file(f"data/{self.slug}.json", numbers)
        self._write_file(f"data/{self.slug}.csv", export.task_csv(self.board, ranked))
        if self.job.options.parquet:
            self._write_file(f"data/{self.slug}.parquet", export.task_parquet(self.board, ranked))
        groups = [(group, ranked[group.key]) for group in self.board.groups]
        script = export.task_script(self.slug, facts, groups, self.labels, self.job.trial_slugs)
        self._write_file(f"data/{self.slug}.js", script)

    def _write_file(self, name: str, content: str | bytes) -> None:
        content = content.encode("utf-8", "replace") if isinstance(content, str) else content
        (self.job.folder / name).write_bytes(content)
        self.files.append(name)

    def _write_plot(self, name: str, plot: plots.Drawing, note: str = "") -> Plot:
        svg = plots.render(plot)
        self._write_file(f"tasks/{self.slug}/{name}.svg", svg)
        width, height = size_of(svg)
        self._plots[f"{name}.svg"] = (plot.title, plot.data)
        return Plot(file=f"{name}.svg", slug=self.slug, words=plot.title, width=width, height=height, note=note)

    def _group_view(self, group: Group, ranked: Standing, curves: Curves) -> GroupView:
        rows = ranked.rows
        record = self.read(newest_finished(group))
        not_ok = newest_first(group.not_ok)
        costs = cost_views(rows, higher_is_better=record.task.higher_is_better)
        years = year_views(rows, higher_is_better=record.task.higher_is_better)
        references = references_on(self.facts, record.dataset.name)
        with_pages = [trial for trials in group.by_row.values() for trial in trials if trial.id in self.job.trial_slugs]
        return GroupView(
            group=group,
            record=record,
            rows=rows,
            devices=ranked.devices,
            hardware=list(dict.fromkeys(trial.device_name for trial in group.trials if trial.device_name)),
            lead=lead_words(ranked),
            first_two=separation_words(ranked.first_two),
            comparisons=comparison_words(ranked),
            left_out=self._left_out(group),
            not_ok=not_ok[:MAX_LISTED_TRIALS],
            not_ok_left_out=max(0, len(not_ok) - MAX_LISTED_TRIALS),
            trials=sorted(with_pages, key=lambda trial: trial.started_at, reverse=True),
            curves=curves,
            points=plain_rows(table_points(curves)) if curves.lines else [],
            references=references,
            curve_plots=self._curve_plots(group, record, curves, references),
            cost_plots=self._cost_plots(group, record, costs, references),
            year_plots=self._cost_plots(group, record, years, references),
            hollow=any(not point.reliable for view in costs for point in view.points),
            pictures=self._pictures(group, rows),
            texts=self._texts(group, rows),
            best=self._best_trial(group, rows),
            verified={row.row_text: describe_notes(group.ok(row.row_text), self.job.verified) for row in rows},
            labels=self.labels,
            bars=bars_of(rows, metric=group.newest.metric, higher_is_better=group.newest.higher_is_better),
            commands=recorded_commands(group, self.read),
            max_commands=MAX_TRIALS_FOR_COMMANDS,
        )

    def _sweep_view(self, sweep: Sweep) -> SweepView:
        return SweepView(
            sweep=sweep,
            record=self.read(newest_finished(sweep.group)),
            plot=self._write_plot(sweep.anchor, score_by_key(sweep, self.facts)),
        )

    def _left_out(self, group: Group) -> Sequence[LeftOut]:
        """The files that the loader left out, by the newest trial that says so; a group has one data set."""
        noted = [trial for trial in group.trials if trial.has_left_out]
        return self.read(noted[-1]).dataset.left_out if noted else []

    def _curve_plots(
        self, group: Group, record: Record, curves: Curves, references: Sequence[Mapping[str, Any]]
    ) -> list[Plot]:
        if not curves.lines:
            return []
        across = plots.target_level(record.task) + plots.reference_levels(references) if curves.split == "val" else []
        drawings = {
            by: plots.learning_curves(curves, record.task, self.job.styles, by, across) for by in ("step", "seconds")
        }
        return [self._write_plot(f"{group.anchor}-by-{by}", drawing) for by, drawing in drawings.items()]

    def _cost_plots(
        self, group: Group, record: Record, costs: Sequence[CostView], references: Sequence[Mapping[str, Any]]
    ) -> list[Plot]:
        levels = plots.reference_levels(references)
        return [
            self._write_plot(
                f"{group.anchor}-{view.axis.field.replace('_', '-')}",
                score_against(view, record.task, self.job.styles, levels),
                view.note,
            )
            for view in costs
        ]

    def _pictures(self, group: Group, rows: Sequence[Row]) -> Pictures | None:
        best = next((row for row in rows if row.current), None)
        if best is None:
            return None
        copied = copy_best(group.ok(best.row_text), self.read, self.assets, group.anchor)
        if copied is not None:
            self.files += [f"tasks/{self.slug}/{name}" for name in copied.files]
        return copied

    def _texts(self, group: Group, rows: Sequence[Row]) -> Texts | None:
        best = next((row for row in rows if row.current), None)
        return texts_of_best(group.ok(best.row_text), self.read) if best is not None else None

    def _best_trial(self, group: Group, rows: Sequence[Row]) -> BestTrial | None:
        best = next((row for row in rows if row.current), None)
        if best is None:
            return None
        trial = group.ok(best.row_text)[-1]
        record = self.read(trial)
        confusion = record.measured.tables.get("confusion")
        fits = (
            confusion is not None and len(confusion.rows) <= MAX_CLASSES and len(confusion.columns) <= MAX_CLASSES + 1
        )
        return BestTrial(
            record=record, confusion=confusion if fits else None, slug=self.job.trial_slugs.get(trial.id, "")
        )

    def _history_view(self, model_history: ModelHistory, metric: str) -> HistoryView:
        title = f"{clip(bare(model_history.model), 40)} on {clip(model_history.dataset, 40)}"
        axis, styles = clip(as_label(metric), 40), self.job.styles
        scores = plots.over_time(history.score_rows(model_history), f"{title}: score", axis, styles)
        written = [self._write_plot(f"{model_history.anchor}-score", scores)]
        time_rows = history.time_rows(model_history)
        if len(time_rows) > 1:
            times = plots.over_time(time_rows, f"{title}: train time", "Train time (s)", styles)
            written.append(self._write_plot(f"{model_history.anchor}-speed", times))
        reasons = {
            occasion.last.id: reason
            for occasion in model_history.occasions
            if (reason := reason_for((trial.id for trial in occasion.trials), self.job.acknowledged))
        }
        return HistoryView(history=model_history, plots=written, acknowledged=reasons)
