"""Judges the order and the times of a trial's events, as they reach the parent.

The worker runs code of plugins, which can send any event. A trial whose events could not come from an honest run in
this order is an error, whatever its last event says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from msgspec.structs import replace

from zoo_core.results.records import Measured
from zoo_core.runner.events import (
    DataOpened,
    Evaluated,
    Event,
    ExtrasBegan,
    Facts,
    Job,
    JobResult,
    PhaseBegan,
    Predicted,
    Progress,
    Tampered,
    TrialDone,
    TrialJob,
)

# A trial passes these stages in order. All names but these belong to the training: `train`, `evaluate`, or a phase of
# the task. So no task may announce a phase with one of them.
STAGES = {"start": 0, "prepare": 1, "warm-up": 2, "build": 3, "compile": 4, "initial score": 5}
TRAINING = 6
STAGES |= {"test": 7, "measure": 8, "artifacts": 9, "extras": 10}
REQUIRED = ("prepare", "build", "train", "test", "measure", "artifacts")  # of a trial with the status ok
MIN_SHARE, SLACK_S = 0.8, 1.0  # of the parent's time for the training, which the worker's must reach
LISTENING_S = 1.0  # between two looks at the pipe; a longer pause is the parent's own, such as after Ctrl-Z


@dataclass(slots=True)
class EventOrder:
    """The state of a trial as its events tell it. `see` gets each event; `problem` is what was wrong first.

    job: other jobs than a trial are not judged. cheat: what the trial's code did that it must not, from the watch in
    the worker; it makes any trial an error. paused_s: how long the parent did not listen.
    """

    job: Job | None = None
    cheat: str = ""
    problem: str = ""
    paused_s: float = 0.0
    predicted: str = ""
    _phase: str = "start"
    _phases: set[str] = field(default_factory=set)
    _opened: set[bool] = field(default_factory=set)
    _step: int = 0
    _seconds: float = 0.0
    _progress: int = 0
    _facts: bool = False
    _done: bool = False
    _before_extras: Measured | None = None
    _began_s: float = 0.0
    _training_s: float = 0.0
    _listened_s: float = 0.0

    def listen(self, now_s: float) -> None:
        """Note that the parent looks at the pipe, `now_s` seconds after the start of the worker."""
        self.paused_s += max(0.0, now_s - self._listened_s - LISTENING_S)
        self._listened_s = now_s

    def see(self, event: Event, now_s: float) -> None:
        """Judge an event of the worker, received `now_s` seconds after its start."""
        if type(self.job) is not TrialJob:
            return
        if isinstance(event, DataOpened) and not self._done:
            cheat = self._cheat_of(event, self.job)
            self.cheat = self.cheat or cheat
        if isinstance(event, Tampered) and not self.cheat:
            self.cheat = f"the trial's code replaced {event.name}, on which the measurement relies"
        problem = self._problem_of(event, self.job, now_s)
        self.problem = self.problem or problem

    def _cheat_of(self, event: DataOpened, job: TrialJob) -> str:
        """Return what the trial's code did by opening a file; "" if it may."""
        stage = _stage(self._phase)
        if self._phase == "prepare" and not event.refused:  # the runner opens the data, perhaps decodes them
            return ""
        sealed = event.split == "test" and stage < STAGES["test"]
        labels = event.split == "test" and not event.inputs and job.scored_apart and not self.predicted
        if not (event.refused or sealed or labels):
            self._opened.add(event.inputs)
            return ""
        what = f"the {event.split} split" if event.split else "a file from which the data were decoded"
        if event.split == "test" and not event.inputs and stage >= STAGES["test"]:
            what = "the labels of the test split before its predictions were handed over"
        return f"{event.by} opened {what} in phase {self._phase}: {event.file}"

    def _problem_of(self, event: Event, job: TrialJob, now_s: float) -> str:
        """Return what is wrong with an event; "" if nothing is."""
        if self._done:
            return f"an event of type {type(event).__name__} came after the trial had ended"
        training = _stage(self._phase) == TRAINING
        match event:
            case PhaseBegan():
                return self._enter(event.name, now_s)
            case Facts():
                repeated, self._facts = self._facts, True
                return "the facts about the model came twice" if repeated else ""
            case Progress():
                back, self._progress = event.step < self._progress, max(self._progress, event.step)
                return self._only_in("the progress", training) or (f"step {event.step} came twice" if back else "")
            case Evaluated():
                return self._only_in("a point of the curve", training) or self._add_point(event)
            case Predicted():
                repeated, self.predicted = bool(self.predicted), event.sha256
                if repeated or not job.scored_apart:
                    return "predictions came twice" if repeated else "predictions came that nobody had asked for"
                return self._only_in("the predictions", self._phase == "test")
            case JobResult():
                return "the result of another job came"
            case ExtrasBegan():
                return self._begin_extras(event.done, job, now_s)
            case TrialDone():
                self._done = True
                return self._end(event, job, now_s) if event.status == "ok" else ""
        return ""

    def _only_in(self, what: str, right: bool) -> str:
        return "" if right else f"{what} came in phase {self._phase}"

    def _enter(self, phase: str, now_s: float) -> str:
        if _stage(self._phase) == TRAINING and self._phase != "evaluate":
            self._training_s += now_s - self._began_s
        before, self._phase, self._began_s = self._phase, phase, now_s
        self._phases.add(phase)
        return f"phase {phase} came after phase {before}" if _stage(phase) < _stage(before) else ""

    def _add_point(self, event: Evaluated) -> str:
        step, seconds = event.point.step, event.point.seconds
        if step <= self._step or not seconds >= self._seconds:
            return (
                f"a point of the curve at step {step}, {seconds:g} s came after step {self._step}, {self._seconds:g} s"
            )
        self._step, self._seconds = step, seconds
        return ""

    def _begin_extras(self, done: TrialDone, job: TrialJob, now_s: float) -> str:
        """Return what is wrong with the results that a trial hands over before its extras."""
        before, self._before_extras = self._before_extras, done.measured
        if before is not None or not job.extras:
            return "the results came twice" if before is not None else "results came before extras that nobody wanted"
        if done.status != "ok":
            return f"results with the status {done.status} came before the extras"
        return self._find_gap(done, job, "artifacts") or self._compare_clocks(done, now_s)

    def _end(self, done: TrialDone, job: TrialJob, now_s: float) -> str:
        """Return what is wrong with the end of a trial that claims to be ok."""
        last = "extras" if job.extras else "artifacts"
        if problem := self._find_gap(done, job, last) or self._compare_clocks(done, now_s):
            return problem
        if job.extras and (
            self._before_extras is None or _without_extras(done.measured) != _without_extras(self._before_extras)
        ):
            return "the trial ended with other results than before its extras"
        return ""

    def _find_gap(self, done: TrialDone, job: TrialJob, last: str) -> str:
        """Return what is missing of a trial that claims to be ok in its phase `last`; "" if nothing is."""
        missing = [name for name in REQUIRED if name not in self._phases]
        if missing or self._phase != last:
            return f"the trial ended as ok in phase {self._phase}" + (f", without {missing[0]}" if missing else "")
        if not self._facts:
            return "the trial ended as ok without the facts about its model"
        if done.measured.steps != self._step:
            return f"the trial claims {done.measured.steps} steps, but its last evaluation was at step {self._step}"
        if job.scored_apart and not self.predicted:
            return "the trial ended as ok without predictions"
        if job.scored_apart and self._opened != {True, False}:
            return "the test split was scored without being opened: the watch of its files was switched off"
        return ""

    def _compare_clocks(self, done: TrialDone, now_s: float) -> str:
        """Return whether the worker's training time is much shorter than the parent's. `plausible.py` has the rest."""
        claimed_s = (done.measured.train_s or 0.0) - done.spent_s
        least_s = MIN_SHARE * self._training_s - SLACK_S - 2 * self.paused_s
        if math.isfinite(claimed_s) and claimed_s < least_s:
            return f"the training time is {claimed_s:.3g} s, but the runner waited {self._training_s:.3g} s for it"
        return ""


def _without_extras(measured: Measured) -> Measured:
    """Return the measurements without the fields that extras add to."""
    return replace(measured, onnxruntime=None, profile=None, pictures={}, left_out={})


def _stage(phase: str) -> int:
    return STAGES.get(phase, TRAINING)
