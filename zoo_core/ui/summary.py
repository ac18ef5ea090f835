"""Prints the plan of a run (`--dry-run`) and the summary after it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

from rich.text import Text

from zoo_core.results.records import FAILED, Record
from zoo_core.results.store import Store
from zoo_core.runner.estimates import Estimate
from zoo_core.runner.outcome import Outcome
from zoo_core.runner.plan import Plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.schedule import total_s
from zoo_core.ui.console import messages, output, print_json, print_table
from zoo_core.ui.failures import failure_report
from zoo_core.ui.formats import bare_name, format_count, format_number, format_score, format_seconds, short_names
from zoo_core.ui.progress import FAILED_STYLE, STATUS_STYLES

PLAN_COLUMNS = ("task", "dataset", "model", "settings", "device", "seed")
ESTIMATE_COLUMNS = ("estimate", "from", "timeout")
SUMMARY_COLUMNS = ("task", "dataset", "model", "device", "trials", "score", "to target", "training", "units/s")
SEVERAL_SEEDS = "score: mean and standard deviation (std) over seeds; the leaderboard adds 95 % confidence intervals"

Groups: TypeAlias = dict[tuple[str, str, str, str, str], list[Record]]


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """Print the trials that would run, with estimates of their wall time, where these come from, and time limits."""
    rows = [_plan_row(trial, plan.estimates.get(trial.identity)) for trial in plan.todo]
    if as_json:
        skipped = [{"trial": item.trial.name, "reason": item.problem.reason} for item in plan.skipped]
        left, done = [trial.name for trial in plan.left], [record.id for record in plan.recorded]
        print_json({"todo": rows, "done": done, "skipped": skipped, "left": left})
        return
    columns = PLAN_COLUMNS if any(trial.settings for trial in plan.todo) else (*PLAN_COLUMNS[:3], *PLAN_COLUMNS[4:])
    cells = [
        [
            *(row[name] for name in columns),
            format_seconds(row["estimate_s"]),
            row["estimate_from"] or "no earlier trial",
            format_seconds(row["timeout_s"]) if row["timeout_s"] else "none",
        ]
        for row in rows
    ]
    print_table([*columns, *ESTIMATE_COLUMNS], cells)
    console = output()
    jobs = plan.todo[0].request.jobs if plan.todo else 1
    console.print(
        f"{len(plan.todo)} to run ({_total_text([row['estimate_s'] for row in rows], jobs)}), "
        f"{len(plan.recorded)} recorded already, {len(plan.skipped)} to skip"
    )
    if plan.left:
        console.print(left_text(len(plan.left)))
    for item in plan.skipped:
        console.print(f"skip {item.trial.name}: {item.problem.reason}")


def _plan_row(trial: PlannedTrial, estimate: Estimate | None) -> dict[str, Any]:
    return {
        "task": trial.task.name,
        "dataset": trial.dataset.name,
        "model": trial.model.name,
        "settings": trial.settings,
        "device": trial.device,
        "seed": trial.seed,
        "estimate_s": estimate.seconds if estimate else None,
        "estimate_from": estimate.source if estimate else "",
        "timeout_s": trial.timeout_s,
    }


def _total_text(estimates: Sequence[float | None], jobs: int) -> str:
    known = [estimate for estimate in estimates if estimate is not None]
    if not known:
        return "no estimate"
    total = f"about {format_seconds(total_s(known, jobs))}" + (f", {jobs} at a time" if jobs > 1 else "")
    return total if len(known) == len(estimates) else f"{total} for {len(known)} of them"


def left_text(number: int) -> str:
    """Say how many trials did not fit into `--limit`."""
    return f"{format_count(number, 'trial')} did not fit into --limit: the same command goes on with what is missing"


def group_records(records: Sequence[Record]) -> Groups:
    """Group records by task, data set, model, device, and the settings in which recipes of such a group differ."""
    pairs: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        key = (record.task.name, record.dataset.name, record.model.name, record.device.kind)
        pairs.setdefault(key, []).append(record)
    groups: Groups = {}
    for key, of_pair in pairs.items():
        for record, words in zip(of_pair, _settings_words(of_pair), strict=True):
            groups.setdefault((*key, words), []).append(record)
    return groups


def _settings_words(records: Sequence[Record]) -> list[str]:
    """Return, for each record, `key=value` for each recipe key in which the records differ."""
    recipes = [record.recipe for record in records]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    varied = [key for key in keys if any(recipe.get(key) != recipes[0].get(key) for recipe in recipes)]
    return [" ".join(f"{key}={recipe[key]}" for key in varied if key in recipe) for recipe in recipes]


def summary_rows(groups: Groups) -> list[list[object]]:
    """Return one row for each group, with the cells of SUMMARY_COLUMNS.

    A model has its plugin's name only beside another of the same name on the same task.
    """
    models: dict[str, set[str]] = {}
    for task, _, model, *_ in groups:
        models.setdefault(task, set()).add(model)
    names = {task: short_names(known) for task, known in models.items()}
    return [
        [
            bare_name(task),
            bare_name(dataset),
            f"{names[task][model]} {settings}".rstrip(),
            device,
            *_summary_cells(records),
        ]
        for (task, dataset, model, device, settings), records in groups.items()
    ]


def print_summary(outcome: Outcome, store: Store, wall_s: float) -> None:
    """Print a row for each group of records, then failures, weak models, counts and saved models.

    `wall_s` is the wall time of the whole run.
    """
    groups = group_records(outcome.records)
    print_table(SUMMARY_COLUMNS, summary_rows(groups))
    console = output()
    if any(sum(record.score is not None for record in records) > 1 for records in groups.values()):
        console.print(SEVERAL_SEEDS)
    for line in failure_report(outcome.records, store):
        label = (line.label, STATUS_STYLES.get(line.label, FAILED_STYLE))
        if line.label:
            console.print(Text.assemble(label, f"  {line.text}"))
        else:  # paths and commands in one piece, to be copied
            console.print(Text(f"    {line.text}"), soft_wrap=True)
    for (task, _, model, _, settings), records in groups.items():
        if _is_at_chance_level(records):
            chance = format_score(records[0].task.chance)
            name = f"{bare_name(task)} {bare_name(model)} {settings}".rstrip()
            text = f"  {name}: no better than chance level, {chance}"
            console.print(Text.assemble(("weak", "yellow"), text))
    if outcome.left:
        console.print(left_text(outcome.left))
    console.print(_counts_text(outcome, len({key[:4] for key in groups}), wall_s) + f"; records in {store.folder}")
    for record in outcome.records:
        if record.measured.checkpoint:
            console.print(f"saved {store.artifacts(record) / record.measured.checkpoint}", soft_wrap=True)
        if (profile := record.measured.profile) is not None and profile.trace:
            console.print(f"profiled {store.artifacts(record) / profile.trace}", soft_wrap=True)
    if outcome.interrupted:
        messages().print("interrupted: run the same command again to continue")


def _counts_text(outcome: Outcome, pairs: int, wall_s: float) -> str:
    trials = f"{format_count(len(outcome.records), 'trial')} of {format_count(pairs, 'pair')}"
    counts = [f"{len(outcome.new)} new"]
    if outcome.recorded:
        counts.append(f"{len(outcome.recorded)} recorded already")
    counts.append(f"{len(outcome.failed)} failed")
    return f"{trials} in {format_seconds(wall_s)}: {', '.join(counts)}"


def _is_at_chance_level(records: Sequence[Record]) -> bool:
    """Return whether the mean of the scores is not better than chance level. False if either is unknown."""
    task = records[0].task
    scores = [record.score for record in records if record.status == "ok" and record.score is not None]
    if task.chance is None or not scores:
        return False
    mean = statistics.mean(scores)
    return mean <= task.chance if task.higher_is_better else mean >= task.chance


def _summary_cells(records: Sequence[Record]) -> list[object]:
    ok = [record for record in records if record.status == "ok"]
    scores = [record.score for record in ok if record.score is not None]
    counts = Counter(record.status for record in records)
    style = "green" if len(ok) == len(records) else "red" if FAILED & counts.keys() else "yellow"
    trials = Text(" ".join(f"{count} {status}" for status, count in counts.items()), style=style)
    return [
        trials,
        _score_text(records[0].task.metric, scores),
        _time_to_target_text(ok),
        format_seconds(_median([record.measured.train_s for record in ok])),
        format_number(_median([record.measured.throughput for record in ok]), 3),
    ]


def _score_text(metric: str, scores: Sequence[float]) -> str:
    """Return the score, of several seeds their mean and standard deviation: `accuracy 0.9871 (std 0.0012)`."""
    if not scores:
        return "-"
    std = f" (std {statistics.stdev(scores):.2g})" if len(scores) > 1 else ""
    return f"{metric} {format_score(statistics.mean(scores))}{std}"


def _time_to_target_text(records: Sequence[Record]) -> str:
    """Return the median training time to the target, and how many trials reached it if not all did."""
    reached = [record.measured.time_to_target for record in records]
    met = [item.seconds for item in reached if item is not None and item.status == "met"]
    counted = [item for item in reached if item is not None and item.status != "not applicable"]
    if not counted:
        return "-"
    if not met:
        return "missed"
    return format_seconds(_median(met)) + (f" ({len(met)} of {len(counted)})" if len(met) < len(counted) else "")


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
