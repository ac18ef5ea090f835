"""The data behind the pages as JSON and CSV files, and as script files for the compare page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from zoo_core.results.records import Record, TaskFacts
from zoo_leaderboard.board.curves import Curves, json_curves
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.standing import Standing
from zoo_leaderboard.board.tables import Group, TaskBoard, anchor_of
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.trials import EXPORT_COLUMNS, TrialSummary
from zoo_leaderboard.records.verified import Notes, note_on
from zoo_leaderboard.site.summary import Place, TaskSummary
from zoo_leaderboard.stats.intervals import Interval
from zoo_leaderboard.text.documents import as_csv, as_json, as_parquet, as_script, six_digits
from zoo_leaderboard.text.formats import bare, clip
from zoo_leaderboard.text.labels import as_label
from zoo_leaderboard.text.names import file_name

GROUP_FIELDS = ("task", "task_version", "metric", "dataset", "fingerprint", "origin", "recipe_class", "device", "stale")
MODEL_FIELDS = (
    *("rank", "rank_high", "not_ranked", "winner", "tied", "model", "version", "title", "variant", "pretrained_on"),
    *("score", "low", "high", "covers", "spread", "seeds", "provisional", "stale"),
    *("time_to_target", "time_to_target_s", "met", "train_s", "train_s_low", "train_s_high", "throughput"),
    *("inference_throughput", "latency_ms", "latency_ms_low", "latency_ms_high", "latency_p95_ms", "onnxruntime_ms"),
    *("timed", "disturbed", "times_reliable", "latency_reliable", "time_note"),
    *("parameters", "flops_per_unit", "flops_unknown_because"),
    *("peak_memory_mib", "hardware", "untrained", "statuses", "earlier", "recipe", "reason", "year", "paper"),
)
LINE_FIELDS = list(dict.fromkeys([*GROUP_FIELDS, *MODEL_FIELDS]))
TRIAL_FIELDS = ("id", "model", "version", "seed", "status", "reason", "started_at", "score", "train_s", "disturbed")
# Name in the data files -> field of a Row, where the two differ. Users' scripts read these names: do not change them.
ROW_FIELDS = {
    "version": "model_version",
    "title": "model_title",
    "spread": "std",
    "seeds": "seed_count",
    "met": "met_trials",
    "timed": "timed_trials",
    "disturbed": "disturbed_trials",
    "earlier": "older_trials",
}
SUMMARY_FIELDS = {column: field for field, column in EXPORT_COLUMNS.items()}  # the same for a TrialSummary
PAIR_FIELDS = ("difference", "low", "high", "adjusted")  # of a `DifferenceMatrix`
COMPARED_FIELDS = (
    *("score", "train_s", "time_to_target_s", "throughput", "latency_ms", "latency_p95_ms", "parameters"),
    "flops_per_unit",
)


def group_facts(group: Group) -> dict[str, Any]:
    """The facts that all trials of a group share."""
    trial = group.newest
    values = (trial.task, trial.task_version, trial.metric, trial.dataset, trial.fingerprint, trial.origin)
    return dict(zip(GROUP_FIELDS, (*values, trial.recipe_class, trial.device_class, group.stale), strict=True))


def task_json(
    board: TaskBoard,
    task: TaskFacts,
    standings: Mapping[GroupKey, Standing],
    curves: Mapping[GroupKey, Curves],
    verified: Notes,
) -> bytes:
    """The task with the models, trials and curves of each group.

    `comparisons` are the differences of the first models, of `models` by number; `adjusted` is the p value after Holm's
    correction for all pairs of the table, which the ranks come from. `verified` has what reruns gave, by record id.
    """
    value = {
        "task": msgspec.to_builtins(task),
        "groups": [
            {
                **group_facts(group),
                "models": _select_fields(standings[group.key].rows, MODEL_FIELDS, ROW_FIELDS),
                "comparisons": _comparisons(standings[group.key]),
                "trials": _select_fields(group.trials, TRIAL_FIELDS, SUMMARY_FIELDS),
                "verified": {trial.id: note for trial in group.trials if (note := note_on(trial, verified))},
                "curves": json_curves(curves[group.key]),
            }
            for group in board.groups
        ],
        "skipped": _select_fields(board.skipped, TRIAL_FIELDS, SUMMARY_FIELDS),
        "imported": [imported(trial) for trial in board.imported],
    }
    return as_json(value)


def summary(tasks: Sequence[TaskSummary], changes: Sequence[str], since: str) -> dict[str, Any]:
    """The index page as JSON: all tasks with their regressions and the leaders of their groups, and the changes."""
    return {
        "changes": changes,
        "since": since,
        "tasks": [
            {
                **{name: getattr(task, name) for name in ("name", "title", "metric", "higher_is_better", "version")},
                **{name: getattr(task, name) for name in ("trials", "failures", "skipped", "stale", "newest")},
                "data": f"{task.slug}.json",
                "regressions": [msgspec.structs.asdict(item) for item in task.regressions],
                "groups": [
                    {
                        **{
                            name: getattr(group, name) for name in ("anchor", "dataset_title", "origin", "recipe_class")
                        },
                        "device": group.device_class,
                        **{name: getattr(group, name) for name in ("task_version", "stale")},
                        "winner": group.winner.model if group.winner else None,
                        "leaders": [_leader(place) for place in group.leaders],
                    }
                    for group in task.groups
                ],
            }
            for task in tasks
        ],
    }


def _leader(place: Place) -> dict[str, Any]:
    interval = {"low": place.low, "high": place.high}
    rank = {"rank": place.rank, "rank_high": place.rank_high, "tied": place.tied}
    return {"model": place.model, "score": place.score, **interval, "seeds": place.seed_count, **rank}


def imported(trial: TrialSummary) -> dict[str, Any]:
    """Return a measurement by another program."""
    about = {"id": trial.id, "model": trial.model, "version": trial.model_version, "device": trial.device_class}
    return {**about, "source": trial.source, "started_at": trial.started_at, **(trial.benchmark or {})}


def task_csv(board: TaskBoard, standings: Mapping[GroupKey, Standing]) -> bytes:
    """One line per group and model."""
    return as_csv(_lines(board, standings), LINE_FIELDS)


def task_parquet(board: TaskBoard, standings: Mapping[GroupKey, Standing]) -> bytes:
    """The same as Parquet. Raises UsageError without pyarrow."""
    return as_parquet(_lines(board, standings), LINE_FIELDS)


def _lines(board: TaskBoard, standings: Mapping[GroupKey, Standing]) -> Iterator[dict[str, Any]]:
    for group in board.groups:
        for row in _select_fields(standings[group.key].rows, MODEL_FIELDS, ROW_FIELDS):
            yield {**group_facts(group), **row}


def task_script(
    slug: str,
    task: TaskFacts,
    groups: Sequence[tuple[Group, Standing]],
    labels: Mapping[str, str],
    trial_slugs: Mapping[str, str],
) -> str:
    """The rows and trials of a task for the compare page, as a script: a page opened from disk can load nothing else.

    `labels` are those of the rows by their texts, `trial_slugs` the pages of trials by record id.
    """
    value = {
        "slug": slug,
        "title": clip(task.title, 80),
        "metric": clip(as_label(task.metric), 40),
        "higher": task.higher_is_better,
        "groups": [_compared_group(group, standing, labels) for group, standing in groups],
        "trials": _trials_with_pages([group for group, _ in groups], labels, trial_slugs),
    }
    return as_script("tasks", slug, value)


def _trials_with_pages(
    groups: Sequence[Group], labels: Mapping[str, str], slugs: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the trials that a trial can be compared with; each is in the group of its own record."""
    return [
        {
            "slug": slugs[trial.id],
            "group": group.anchor,
            "label": clip(f"{labels.get(trial.row_text, bare(trial.model))}, seed {trial.seed}", 100),
            "score": six_digits(trial.score),
        }
        for group in groups
        for trial in group.trials
        if trial.id in slugs and trial.status == "ok" and trial.recipe_class == group.key.recipe_class
    ]


def _compared_group(group: Group, standing: Standing, labels: Mapping[str, str]) -> dict[str, Any]:
    trial = group.newest
    device = trial.device_class.upper()
    name = f"{trial.dataset}, {trial.recipe_class} recipe, {device}, task version {trial.task_version}"
    return {
        "anchor": group.anchor,
        "name": clip(name, 160),
        "rows": [_compared_row(row, labels[row.row_text]) for row in standing.rows],
        "tested": len(standing.compared),
        "pairs": _compared_pairs(standing),
    }


def _comparisons(standing: Standing) -> list[dict[str, Any]]:
    """Return each pair of compared rows: their numbers in `standing.rows`, and the numbers of `PAIR_FIELDS`."""
    if standing.differences is None:
        return []
    number_of = {row.row_text: number for number, row in enumerate(standing.rows)}
    numbers = [number_of[row_text] for row_text in standing.compared]
    matrices = {name: getattr(standing.differences, name) for name in PAIR_FIELDS}
    return [
        {"models": [numbers[i], numbers[j]]} | {name: six_digits(matrix[i, j]) for name, matrix in matrices.items()}
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
    ]


def _compared_pairs(standing: Standing) -> dict[str, list[float | None]]:
    """Return the `PAIR_FIELDS` of each pair of compared rows, by the anchors of both."""
    anchors = [row.anchor for row in standing.rows]
    return {
        " ".join(anchors[number] for number in pair["models"]): [pair[name] for name in PAIR_FIELDS]
        for pair in _comparisons(standing)
    }


def _compared_row(row: Row, label: str) -> dict[str, Any]:
    interval = [six_digits(row.low), six_digits(row.high)]
    values = {name: six_digits(getattr(row, name)) for name in COMPARED_FIELDS}
    about = {"key": row.anchor, "label": label, "seeds": row.seed_count, "provisional": row.provisional}
    rank = {"rank": row.rank, "rank_high": row.rank_high, "not_ranked": clip(row.not_ranked, 60)}
    reliable = {"reliable": row.times_reliable is not False, "latency_reliable": row.latency_reliable is not False}
    marks = {"stale": clip(row.stale, 120), "covers": row.covers or ""}
    return {**about, **rank, **reliable, **marks, "interval": interval, **values}


def trial_script(slug: str, record: Record, trial: TrialSummary, interval: Interval | None) -> str:
    """A trial for the compare page; `interval` is that of its score, None if it has no score."""
    measured = record.measured
    value = {
        "slug": slug,
        "id": clip(record.id, 80),
        "label": clip(f"{bare(record.model.name)}, seed {record.seed}", 80),
        "task": clip(record.task.name, 80),
        "task_slug": file_name(record.task.name),
        "group": anchor_of(trial.group_text),
        "metric": clip(as_label(record.task.metric), 40),
        "status": record.status,
        "higher": record.task.higher_is_better,
        "reliable": not trial.disturbance,
        "latency_reliable": not trial.latency_disturbance,
        "interval": [six_digits(interval.low), six_digits(interval.high)] if interval else [None, None],
        "score": six_digits(record.score),
        "train_s": six_digits(measured.train_s),
        "time_to_target_s": six_digits(measured.time_to_target.seconds if measured.time_to_target else None),
        "throughput": six_digits(measured.throughput),
        "latency_ms": six_digits(measured.latency.median_ms if measured.latency else None),
        "latency_p95_ms": six_digits(measured.latency.p95_ms if measured.latency else None),
        "parameters": record.model.parameters,
        "flops_per_unit": record.model.flops_per_unit,
    }
    return as_script("trials", slug, value)


def _select_fields(
    items: Sequence[Row] | Sequence[TrialSummary], names: Sequence[str], field_of: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the values by their names in the data files; `field_of` has the fields with another name."""
    return [{name: getattr(item, field_of.get(name, name)) for name in names} for item in items]
