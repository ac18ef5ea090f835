"""Shows the progress of a run: live bars on a terminal, plain lines elsewhere. The notebook has its own display."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from zoo_core.results.records import Record
from zoo_core.runner.events import Evaluated, Event, PhaseBegan, Progress
from zoo_core.runner.listener import Listener
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.ui.console import drop_output
from zoo_core.ui.failures import reason_text
from zoo_core.ui.formats import bare_name, format_number, format_score, format_seconds

MIN_LINE_INTERVAL_S = 3.0  # between two plain lines about evaluations
MAX_WAITING = 1000  # calls that a display has not shown yet; more are dropped
CLOSE_LIMIT_S = 3.0  # for a display to show its last lines
STATUS_STYLES = {"ok": "green", "skipped": "yellow", "interrupted": "yellow"}
FAILED_STYLE = "red"


@contextlib.contextmanager
def make_display(console: Console) -> Iterator[Listener]:
    """Make a live display on a terminal, or a plain one elsewhere. A display that is lost does not end the run."""

    def drop() -> None:  # else what the stream holds would fail again when a worker starts
        drop_output(console.file)

    if not console.is_terminal:
        with LosableDisplay(PlainDisplay(console), drop=drop) as display:
            yield display
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[state]}", markup=False),
        console=console,
        transient=True,
        expand=False,
    )
    with LosableDisplay(LiveDisplay(console, bars), bars.start, bars.stop, drop=drop) as display:
        yield display


class LosableDisplay:
    """Shows everything on another display, in a thread of its own, until that can no longer write. Never waits for it.

    The run goes on, because its results are records and not what it prints: after `2>&1 | head -1`, on a full disk, and
    while a terminal takes no output, as after Ctrl-S or in a dead connection. Use it as a context manager.

    lost: why the display was given up, or None. drop: called then.
    """

    def __init__(
        self,
        display: Listener,
        start: Callable[[], None] = lambda: None,
        stop: Callable[[], None] = lambda: None,
        *,
        drop: Callable[[], None] = lambda: None,
    ) -> None:
        self._display, self._start, self._stop, self._drop = display, start, stop, drop
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._show_all, daemon=True)
        self._mistake: Exception | None = None
        self.lost: OSError | None = None

    def __enter__(self) -> LosableDisplay:
        self._thread.start()
        self._put(self._start)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Show what is waiting, for a short time. Raises an error of the display that is not a lost output."""
        self._put(self._stop)
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_LIMIT_S)
        self._thread.join(CLOSE_LIMIT_S)
        if self._mistake is not None and kind is None:
            raise self._mistake

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._put(lambda: self._display.began(trial, number, total))

    def on_event(self, trial: PlannedTrial, event: Event) -> None:
        self._put(lambda: self._display.on_event(trial, event))

    def finished(self, trial: PlannedTrial, record: Record) -> None:
        self._put(lambda: self._display.finished(trial, record))

    def _put(self, show: Callable[[], None]) -> None:
        with contextlib.suppress(queue.Full):  # the terminal takes nothing
            self._waiting.put_nowait(show)

    def _show_all(self) -> None:
        while (show := self._waiting.get()) is not None:
            if self.lost is None and self._mistake is None:
                try:
                    show()
                except OSError as error:
                    self.lost = error
                    self._drop()
                except Exception as error:
                    self._mistake = error


class PlainDisplay:
    """Prints a line when a trial begins and ends, and at evaluations, at most one every few seconds.

    Lines about the trial that began last are indented below its name; others begin with the number of their trial.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._numbers: dict[tuple[str, str], str] = {}  # of the running trials
        self._last: tuple[str, str] | None = None
        self._printed_at = 0.0

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._last = trial.identity
        self._numbers[trial.identity] = f"[{number}/{total}]"
        self._console.print(Text(f"[{number}/{total}] {trial.name}"))

    def on_event(self, trial: PlannedTrial, event: Event) -> None:
        if isinstance(event, Evaluated) and time.monotonic() - self._printed_at > MIN_LINE_INTERVAL_S:
            self._printed_at = time.monotonic()
            self._print(trial, evaluation_text(event, trial.task.metric))

    def finished(self, trial: PlannedTrial, record: Record) -> None:
        self._print(trial, ending_text(record))
        self._numbers.pop(trial.identity, None)

    def _print(self, trial: PlannedTrial, text: str) -> None:
        number = self._numbers.get(trial.identity, "")
        is_apart = number and trial.identity != self._last
        self._console.print(Text(f"{number} {text}" if is_apart else f"    {text}"))


class LiveDisplay:
    """Shows one bar for the run and one for each running trial: phase, step, score, rate, time left."""

    def __init__(self, console: Console, bars: Any) -> None:
        self._console, self._bars = console, bars
        self._run = bars.add_task("zoo bench", total=None, state="starting")
        self._trials: dict[tuple[str, str], TrialBar] = {}
        self._ended = 0

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._bars.update(self._run, total=total, completed=self._ended, state=f"trial {number} of {total}")
        bar = self._bars.add_task(trial.name, total=1.0, state="starting")
        self._trials[trial.identity] = TrialBar(bar, time.monotonic())

    def on_event(self, trial: PlannedTrial, event: Event) -> None:
        bar = self._trials.get(trial.identity)
        if bar is not None:
            share = bar.see(trial, event)
            self._bars.update(bar.task, state=bar.text, **({} if share is None else {"completed": share}))

    def finished(self, trial: PlannedTrial, record: Record) -> None:
        style = STATUS_STYLES.get(record.status, FAILED_STYLE)
        self._console.print(Text.assemble(f"{trial_title(record)}  ", (ending_text(record), style)))
        if (bar := self._trials.pop(trial.identity, None)) is not None:
            self._bars.remove_task(bar.task)
            self._ended += 1
        self._bars.advance(self._run)


class TrialBar:
    """The state of a running trial. `task`: of its bar."""

    def __init__(self, task: Any, began_s: float) -> None:
        self.task, self._began_s = task, began_s
        self._state = dict.fromkeys(("phase", "step", "score", "rate", "left"), "")

    def see(self, trial: PlannedTrial, event: Event) -> float | None:
        """Note what an event says. Return the share of the training that is done, if it says that."""
        if isinstance(event, PhaseBegan):
            self._state["phase"] = event.name
        elif isinstance(event, Evaluated) and event.point.val_score is not None:
            self._state["score"] = val_score_text(event.point.val_score, trial.task.metric)
        elif isinstance(event, Progress):
            self._state |= {"step": f"step {event.step}", "rate": rate_text(event.rate, trial.task.unit)}
            if event.share:
                left_s = (time.monotonic() - self._began_s) * (1 - event.share) / event.share
                self._state["left"] = f"{format_seconds(left_s)} left"
            return event.share
        return None

    @property
    def text(self) -> str:
        return "  ".join(text for text in self._state.values() if text)


def evaluation_text(event: Evaluated, metric: str) -> str:
    """Describe one evaluation during training."""
    point = event.point
    parts = [f"step {point.step}", f"{format_seconds(point.seconds)} of training"]
    if point.train_loss is not None:
        parts.append(f"train loss {format_number(point.train_loss)}")
    if point.train_score is not None:
        parts.append(f"train {metric} {format_score(point.train_score)}")
    if point.val_score is not None:
        parts.append(val_score_text(point.val_score, metric))
    return ", ".join(parts)


def val_score_text(score: float, metric: str) -> str:
    return f"val {metric} {format_score(score)}"


def rate_text(rate: float, unit: str) -> str:
    """Describe the training throughput, `unit` being what the task counts."""
    return f"{format_number(rate, 3)} {unit}/s"


def trial_title(record: Record) -> str:
    """Name a trial by task, model, device class and seed."""
    return f"{bare_name(record.task.name)} {bare_name(record.model.name)} {record.device.kind} seed {record.seed}"


def ending_text(record: Record) -> str:
    """Describe how a trial ended: score and training time, or the reason."""
    if record.status != "ok":
        return f"{record.status}: {reason_text(record)}"
    score, train_s = format_score(record.score), format_seconds(record.measured.train_s)
    return f"ok: {record.task.metric} {score} after {train_s} of training"
