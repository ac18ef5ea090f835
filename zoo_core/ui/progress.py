"""What a person sees of a run: a live line, or plain lines where there is no terminal; the plan and the summary."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from rich.console import Console
from rich.text import Text

from zoo_core.results.records import FAILED, Record
from zoo_core.results.store import Store, Unreadable
from zoo_core.runner.events import Evaluated, Event, PhaseBegan, Progress
from zoo_core.runner.plan import Plan, PlannedTrial
from zoo_core.runner.run import Listener, Outcome
from zoo_core.ui.console import messages, number, output, print_json, print_table, score_text, seconds_text

QUIET_S = 3.0  # between two plain lines about evaluations
STYLES = {"ok": "green", "skipped": "yellow", "interrupted": "yellow"}


@contextlib.contextmanager
def make_display(console: Console) -> Iterator[Listener]:
    """A live display on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
        transient=True,
        expand=False,
    ) as bars:
        yield LiveDisplay(console, bars)


class PlainDisplay:
    """A line when a trial begins, at its evaluations (one every few seconds), and when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._metric, self._said = "", 0.0

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._metric = trial.task.metric
        self._say(f"[{number}/{total}] {trial.name}")

    def heard(self, event: Event) -> None:
        if isinstance(event, Evaluated) and time.monotonic() - self._said > QUIET_S:
            self._said = time.monotonic()
            self._say(f"    {point_text(event, self._metric)}")

    def ended(self, record: Record) -> None:
        self._say(f"    {ending_text(record)}")

    def _say(self, text: str) -> None:
        self._console.print(Text(text))


class LiveDisplay:
    """One bar for the run and one for the trial: phase, step, score, rate, time left."""

    def __init__(self, console: Console, bars: Any) -> None:
        self._console, self._bars = console, bars
        self._run = bars.add_task("zoo bench", total=None, state="starting")
        self._trial: Any = None
        self._state = {"phase": "", "step": "", "score": "", "rate": "", "left": ""}
        self._metric = ""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._metric, self._unit = trial.task.metric, trial.task.unit
        self._bars.update(self._run, total=total, completed=number - 1, state=f"trial {number} of {total}")
        if self._trial is not None:
            self._bars.remove_task(self._trial)
        self._state = dict.fromkeys(self._state, "")
        self._trial = self._bars.add_task(trial.name, total=1.0, state="starting")

    def heard(self, event: Event) -> None:
        if self._trial is None:
            return
        share = None
        if isinstance(event, PhaseBegan):
            self._state["phase"] = event.name
        elif isinstance(event, Progress):
            share = event.share
            self._state |= {"step": f"step {event.step}", "rate": f"{number(event.rate, 3)} {self._unit}/s"}
            elapsed = self._bars.tasks[-1].elapsed
            if elapsed and share:
                self._state["left"] = f"{seconds_text(elapsed * (1 - share) / share)} left"
        elif isinstance(event, Evaluated) and event.point.val_score is not None:
            self._state["score"] = f"val {self._metric} {score_text(event.point.val_score)}"
        state = "  ".join(text for text in self._state.values() if text)
        self._bars.update(self._trial, state=state, **({} if share is None else {"completed": share}))

    def ended(self, record: Record) -> None:
        self._console.print(
            Text.assemble(
                f"{_bare(record.task.name)} {_bare(record.model.name)} {record.device.kind} seed {record.seed}  ",
                (ending_text(record), STYLES.get(record.status, "red")),
            )
        )
        self._bars.advance(self._run)


def point_text(event: Evaluated, metric: str) -> str:
    """One evaluation in words."""
    point = event.point
    parts = [f"step {point.step}", f"{seconds_text(point.seconds)} of training"]
    if point.train_loss is not None:
        parts.append(f"train loss {number(point.train_loss)}")
    if point.train_score is not None:
        parts.append(f"train {metric} {score_text(point.train_score)}")
    if point.val_score is not None:
        parts.append(f"val {metric} {score_text(point.val_score)}")
    return ", ".join(parts)


def ending_text(record: Record) -> str:
    """How a trial ended, in words."""
    if record.status != "ok":
        return f"{record.status}: {_reason(record)}"
    return (
        f"ok: {record.task.metric} {score_text(record.score)} after {seconds_text(record.measured.train_s)} of training"
    )


def print_plan(plan: Plan, store: Store, *, as_json: bool) -> None:
    """What `--dry-run` shows: the trials to be run, with the wall time that earlier ones took."""
    seconds = _earlier_wall_s(store)
    estimates: list[float | None] = []
    rows: list[list[object]] = []
    for trial in plan.todo:
        took = seconds.get((trial.task.qualified, trial.model.qualified, trial.device_kind, trial.recipe_class))
        estimates.append(statistics.median(took) if took else None)
        rows.append([trial.task.name, trial.dataset.name, trial.model.name, trial.device, trial.seed])
    columns = ["task", "dataset", "model", "device", "seed"]
    if as_json:
        both = zip(rows, estimates, strict=True)
        todo = [dict(zip([*columns, "estimate_s"], [*row, seconds], strict=True)) for row, seconds in both]
        left_out = [{"trial": item.trial.name, "reason": item.reason} for item in plan.skipped]
        print_json({"todo": todo, "done": [record.id for record in plan.done], "skipped": left_out})
        return
    cells = [[*row, seconds_text(estimate)] for row, estimate in zip(rows, estimates, strict=True)]
    print_table([*columns, "estimate"], cells)
    known = [estimate for estimate in estimates if estimate is not None]
    about = f"about {seconds_text(sum(known))}" if known else "no estimate"
    if known and len(known) < len(rows):
        about += f" for {len(known)} of them"
    console = output()
    console.print(f"{len(plan.todo)} to run ({about}), {len(plan.done)} recorded already, {len(plan.skipped)} to skip")
    for skipped in plan.skipped:
        console.print(f"skip {skipped.trial.name}: {skipped.reason}", markup=False)


def _earlier_wall_s(store: Store) -> dict[tuple[str, str, str, str], list[float]]:
    seconds: dict[tuple[str, str, str, str], list[float]] = {}
    for record in store.read():
        if not isinstance(record, Unreadable) and record.status == "ok" and record.wall_s is not None:
            key = (record.task.name, record.model.name, record.device.kind, record.recipe_class)
            seconds.setdefault(key, []).append(record.wall_s)
    return seconds


SUMMARY = ("task", "dataset", "model", "device", "trials", "score", "to target", "training", "units/s")

Groups: TypeAlias = dict[tuple[str, str, str, str], list[Record]]


def group(records: Sequence[Record]) -> Groups:
    """Records by task, data set, model and device."""
    groups: Groups = {}
    for record in records:
        key = (record.task.name, record.dataset.name, record.model.name, record.device.kind)
        groups.setdefault(key, []).append(record)
    return groups


def summary_rows(groups: Groups) -> list[list[object]]:
    """A row below `SUMMARY` for each group."""
    return [[*map(_bare, key), *_summary_cells(records)] for key, records in groups.items()]


def print_summary(outcome: Outcome, store: Store, wall_s: float) -> None:
    """A row for each task, data set, model and device; below, every reason of a failure and every saved model.

    `wall_s`: what the whole run took.
    """
    groups = group(outcome.records)
    print_table(SUMMARY, summary_rows(groups))
    console = output()
    for record in outcome.records:
        if record.status != "ok":
            name = f"{_bare(record.task.name)} {_bare(record.model.name)} seed {record.seed}"
            console.print(
                Text.assemble((record.status, STYLES.get(record.status, "red")), f"  {name}: ", _reason(record))
            )
    for (task, _, model, _), records in groups.items():
        if _is_guessing(records):
            words = f"  {_bare(task)} {_bare(model)}: no better than guessing, {score_text(records[0].task.chance)}"
            console.print(Text.assemble(("weak", "yellow"), words))
    fresh = f"{len(outcome.new)} new"
    already = f", {len(outcome.done)} recorded already" if outcome.done else ""
    console.print(
        f"{len(outcome.records)} trials of {len(groups)} pairs in {seconds_text(wall_s)}: {fresh}{already}, "
        f"{len(outcome.failed)} failed; records in {store.folder}"
    )
    for record in outcome.records:
        if record.measured.checkpoint:
            console.print(f"saved {store.artifacts(record) / record.measured.checkpoint}", markup=False, soft_wrap=True)
    if outcome.interrupted:
        messages().print("stopped; the same command goes on with what is missing")


def _is_guessing(records: Sequence[Record]) -> bool:
    """Whether there are scores, and their mean is not better than the score of guessing."""
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
        _score_cell(records[0].task.metric, scores),
        _target_cell(ok),
        seconds_text(_median([record.measured.train_s for record in ok])),
        number(_median([record.measured.throughput for record in ok]), 3),
    ]


def _score_cell(metric: str, scores: Sequence[float]) -> str:
    if not scores:
        return "-"
    spread = f" ± {statistics.stdev(scores):.2g}" if len(scores) > 1 else ""
    return f"{metric} {score_text(statistics.mean(scores))}{spread}"


def _target_cell(records: Sequence[Record]) -> str:
    reached = [record.measured.time_to_target for record in records]
    met = [item.seconds for item in reached if item is not None and item.status == "met"]
    counted = [item for item in reached if item is not None and item.status != "not applicable"]
    if not counted:
        return "-"
    if not met:
        return "missed"
    return seconds_text(_median(met)) + (f" ({len(met)} of {len(counted)})" if len(met) < len(counted) else "")


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _reason(record: Record) -> str:
    return record.reason.strip().splitlines()[-1] if record.reason.strip() else "no reason known"


def _bare(name: str) -> str:
    return name.partition(":")[2] or name
