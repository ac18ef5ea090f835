"""Passes a run on to its loggers, each in a process of its own, so that none of them can delay or change a trial.

The parent only appends to files (see log_calls.py). It waits for the loggers before the first trial, so that their
imports do not disturb its timing, and after the last one; never for long, and never in between.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence

from zoo_core.errors import MachineError, ZooError
from zoo_core.files import portable
from zoo_core.loggers import TrialBegan
from zoo_core.measure.environment import machine_id
from zoo_core.results.records import JsonStruct, Record, encode_line
from zoo_core.results.store import Store, writing_results
from zoo_core.runner.events import Evaluated, Event
from zoo_core.runner.interrupts import deferred_interrupts
from zoo_core.runner.listener import Listener
from zoo_core.runner.log_calls import TrialEnded
from zoo_core.runner.logger_process import LoggerProcess
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.record_facts import dataset_facts, device_facts, model_facts, task_facts
from zoo_core.runner.request import LogTarget

LIMIT = "ZOO_LOG_LIMIT"  # the environment variable with the seconds that loggers may take after the last trial
LIMIT_S = 60.0
START_LIMIT_S = 20.0  # for loggers to be ready before the first trial; slower ones get their calls later
INTERRUPTED_LIMIT_S = 5.0  # after Ctrl-C
TELL_AFTER_S = 2.0  # of waiting
POLL_S = 0.05

LOG = logging.getLogger("zoo")


class Loggers:
    """The loggers of a run. `interrupted`: whether Ctrl-C ended it, after which they get less time to finish."""

    def __init__(self, processes: Sequence[LoggerProcess], store: Store) -> None:
        self._processes, self._store = processes, store
        self.interrupted = False

    def beside(self, display: Listener) -> Listener:
        """Return a listener that passes everything on to the display and to the loggers."""
        return _Both(display, self) if self._processes else display

    @property
    def places(self) -> list[tuple[str, str]]:
        """The name of each logger that is done, and where to look for what it wrote."""
        return [(process.name, process.where) for process in self._processes if process.where is not None]

    def start(self) -> None:
        """Start the processes. They are not waited for."""
        for process in self._processes:
            process.start()

    def wait_until_ready(self) -> None:
        """Wait until every logger has been made, but not for long. One that is slower goes on with low priority."""
        ends = time.monotonic() + min(START_LIMIT_S, _limit_s())
        with deferred_interrupts() as interrupts:
            for process in self._processes:
                while process.is_starting and time.monotonic() < ends and not interrupts.requested:
                    process.poll(POLL_S)
                process.lower_priority()

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        try:
            line = encode_line(_trial_began(trial, number, total))
        except ZooError as error:
            for process in self._processes:
                process.give_up(str(error))
            return
        for process in self._processes:
            process.begin_trial()
            process.write(line)

    def evaluated(self, event: Evaluated) -> None:
        self._write(event)

    def finished(self, record: Record) -> None:
        path, artifacts = self._store.path(record).absolute(), self._store.artifacts(record).absolute()
        if path.is_file():  # else it could not be saved
            self._write(TrialEnded(record=str(path), artifacts=str(artifacts)))
        for process in self._processes:
            process.end_trial()

    def _write(self, call: JsonStruct) -> None:
        line = encode_line(call)
        for process in self._processes:
            process.write(line)

    def finish(self) -> None:
        """Wait until the loggers have written everything, but not for long. Ctrl-C ends the wait."""
        for process in self._processes:
            process.end_run()
        limit_s = min(_limit_s(), INTERRUPTED_LIMIT_S) if self.interrupted else _limit_s()
        began, told = time.monotonic(), False
        with deferred_interrupts() as interrupts:
            while left := [process for process in self._processes if not process.is_over]:
                waited_s = time.monotonic() - began
                if waited_s > limit_s or interrupts.requested:
                    break
                if not told and waited_s > TELL_AFTER_S:
                    names = " and ".join(process.name for process in left)
                    LOG.warning("waiting up to %g s for logger %s; Ctrl-C ends the wait", limit_s, names)
                    told = True
                for process in left:
                    process.poll(POLL_S / len(left))
        for process in left:
            process.give_up(
                f"it was not done {waited_s:.0f} s after the last trial, so the end is missing there; {LIMIT} sets "
                f"other seconds than {limit_s:g}"
            )

    def end(self) -> None:
        for process in self._processes:
            process.end()


class _Both:
    """A Listener that passes on everything, first to the display.

    A trial is told to the loggers with its first event or its record: one that could not begin has neither. Loggers
    get one trial after the other: of several that run at a time, one is told as it goes, the others when that one ends.
    """

    def __init__(self, display: Listener, loggers: Loggers) -> None:
        self._display, self._loggers = display, loggers
        self._calls: dict[tuple[str, str], list[Callable[[], None]]] = {}  # of each trial that began, not yet made
        self._told: tuple[str, str] | None = None  # the trial that the loggers are told about
        self._ended: list[tuple[str, str]] = []
        self._is_first = True

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._display.began(trial, number, total)
        if self._is_first:
            self._is_first = False
            self._loggers.wait_until_ready()
        self._calls[trial.identity] = [lambda: self._loggers.began(trial, number, total)]

    def on_event(self, trial: PlannedTrial, event: Event) -> None:
        self._display.on_event(trial, event)
        if (calls := self._calls.get(trial.identity)) is None:
            return
        if isinstance(event, Evaluated):
            calls.append(lambda: self._loggers.evaluated(event))
        self._tell(trial)

    def finished(self, trial: PlannedTrial, record: Record) -> None:
        self._display.finished(trial, record)
        if (calls := self._calls.get(trial.identity)) is not None:  # others were skipped before they began
            calls.append(lambda: self._loggers.finished(record))
            self._ended.append(trial.identity)
            self._tell(trial)

    def _tell(self, trial: PlannedTrial) -> None:
        """Make the calls about one trial, and if it has ended, about the others that have ended meanwhile."""
        self._told = self._told or trial.identity
        while self._told is not None:
            calls = self._calls[self._told]
            while calls:
                calls.pop(0)()
            if self._told not in self._ended:
                return
            self._ended.remove(self._told)
            del self._calls[self._told]
            self._told = self._ended[0] if self._ended else None


@contextlib.contextmanager
def starting_loggers(targets: Sequence[LogTarget], store: Store) -> Iterator[Loggers]:
    """Start the loggers of a run. At the end of the block they get some time to finish, unless it raises."""
    if not targets:
        yield Loggers([], store)
        return
    try:
        with writing_results(store.folder):
            folder = store.stage(f"log-{machine_id()}-{secrets.token_hex(4)}")
    except MachineError as error:  # the run itself will say the same
        LOG.warning("warning: nothing is logged: %s", error)
        yield Loggers([], store)
        return
    loggers = Loggers([LoggerProcess(log, folder / str(number)) for number, log in enumerate(targets)], store)
    try:
        loggers.start()
        yield loggers
        loggers.finish()
    finally:
        loggers.end()
        store.discard(folder)


def _trial_began(trial: PlannedTrial, number: int, total: int) -> TrialBegan:
    words = (trial.task.name, trial.model.name, trial.settings, trial.device, f"seed{trial.seed}")
    started = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return TrialBegan(
        name=trial.name,
        slug=f"{portable('-'.join(filter(None, words)))}-{trial.key[:8]}-{started}",
        number=number,
        total=total,
        key=trial.key,
        task=task_facts(trial.task),
        dataset=dataset_facts(trial.dataset, trial.fingerprint, {}),
        model=model_facts(trial),
        device=device_facts(trial),
        seed=trial.seed,
        recipe=dict(trial.recipe),
        recipe_class=trial.recipe_class,
        overrides=sorted(trial.request.overrides),
        budget_s=trial.request.budget_s,
        machine=machine_id(),
    )


def _limit_s() -> float:
    """Return the seconds in `ZOO_LOG_LIMIT`, or the default if there is no number above 0."""
    try:
        limit_s = float(os.environ.get(LIMIT, LIMIT_S))
    except ValueError:
        return LIMIT_S
    return limit_s if 0 < limit_s < float("inf") else LIMIT_S
