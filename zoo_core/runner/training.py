"""Runs a task's training generator: clock, train values, evaluation on val, stopping, selection, time-to-target."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from time import perf_counter  # bound before plugins are imported, which could replace it
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core.errors import DivergedError, PluginError, TrainingLengthError
from zoo_core.measure.clock import TrainingClock
from zoo_core.protocols import Deferred, Evaluation, Phase, Step, Stop
from zoo_core.recipe import Recipe
from zoo_core.results.records import CurvePoint, TimeToTarget
from zoo_core.runner import events
from zoo_core.runner.evaluation import finite
from zoo_core.runner.length import EvaluationSchedule, Length
from zoo_core.runner.order import STAGES
from zoo_core.specs import TaskSpec

Send = Callable[[events.Event], None]
MakeContext = Callable[[], AbstractContextManager[Any]]

MAX_DEFERRED = 1 << 15  # numbers in the tensors from which logs are computed later
MAX_COUNT = 2**40  # of the units or steps that one Step reports
RESERVED = {*STAGES, "evaluate"}  # names of the runner's own phases
PROGRESS_INTERVAL_S = 0.1  # between two Progress events


class Training:
    """One training: its state while `run` takes steps, and its results afterwards.

    evaluate: scores a model on val, outside of the timed windows.
    scored_model: the model to evaluate on val and test: the trained one, or the latest `Step.eval_model`.
    stopped_because: why the training ended before the recipe's length; "" if it did not.
    """

    def __init__(
        self,
        *,
        spec: TaskSpec,
        recipe: Recipe,
        length: Length,
        budget_s: float | None,
        clock: TrainingClock,
        model: nn.Module,
        evaluate: Callable[[nn.Module], Evaluation],
        send: Send,
    ) -> None:
        self._spec, self._recipe, self._length, self._budget_s = spec, recipe, length, budget_s
        self._evaluate, self._send = evaluate, send
        self.clock = clock
        self.scored_model = model
        self.steps = self.units = 0
        self.stopped_because = ""
        self.val_scores: dict[str, float] = {}
        applies = spec.target is not None and recipe.holdout
        self.time_to_target = TimeToTarget(status="missed" if applies else "not applicable")
        self._log_means = LogMeans()
        self._schedule = EvaluationSchedule(length, budget_s, by_shares=not recipe.eval_every)
        self._progress_sent_at = 0.0
        self._best: tuple[float, int, dict[str, Any]] | None = None
        self._evaluations_since_best = 0

    def run(self, steps: Iterator[Step | Phase | Stop], autocast: MakeContext = contextlib.nullcontext) -> None:
        """Take all steps of the recipe, unless its `stop`, the budget or a Stop of the task ends the training before.

        autocast: makes the context in which each step runs.
        Raises DivergedError, and TrainingLengthError if the task takes fewer or more steps.
        """
        self._send(events.PhaseBegan(name="train"))
        self.clock.start()
        try:
            self._take_steps(steps, autocast)
        finally:
            self.clock.stop()
            if hasattr(steps, "close"):
                steps.close()
        if self._log_means.steps:
            self._add_point()

    def progress(self) -> float:
        """Return the finished share of the training, in [0, 1]."""
        if self._budget_s is not None:
            return min(1.0, self.clock.train_s / self._budget_s)
        return min(1.0, self.steps / self._length.total)

    def select(self) -> int:
        """Load the weights that the recipe selects into `scored_model`, and return their step."""
        if self._recipe.select == "last" or self._best is None:
            return self.steps
        _, step, state = self._best
        self.scored_model.load_state_dict(state)
        return step

    def _take_steps(self, steps: Iterator[Step | Phase | Stop], autocast: MakeContext) -> None:
        while True:
            with autocast():
                event = next(steps, None)
            if event is None:
                self._require_full_length()
                return
            if isinstance(event, Stop):
                self.stopped_because = require_reason(event)
                return
            if isinstance(event, Phase):
                self._begin_phase(event)
                continue
            self._count(event)
            self._send_progress()
            if self._schedule.is_due(self.steps, self.clock.train_s):
                self.clock.stop()
                self._add_point()
                if self._is_over():
                    return
                self._send(events.PhaseBegan(name="train"))  # again, because the evaluation is a phase of its own
                self.clock.start()

    def _require_full_length(self) -> None:
        """Raise TrainingLengthError if the task's generator ended too early."""
        if self._budget_s is not None:
            done, expected = f"{self.clock.train_s:.3g} s", f"time budget is {self._budget_s:g} s"
        elif self.steps < self._length.total:
            done, expected = count_steps(self.steps), f"recipe says {count_steps(self._length.total)}"
        else:
            return
        raise TrainingLengthError(
            f"the training of {self._spec.qualified} ended after {done}, but the {expected}: `train` must yield a Step "
            "after each of `recipe.steps` optimizer steps, or a Stop that says why it ends early"
        )

    def _begin_phase(self, phase: Phase) -> None:
        if not (math.isfinite(phase.spent_s) and phase.spent_s >= 0):
            raise PluginError(f"phase {phase.name!r} says that it took {phase.spent_s} s: give seconds, 0 or more")
        if phase.name in RESERVED:
            raise PluginError(f"`train` yielded a Phase named {phase.name!r}: the runner uses this name, take another")
        self._send(events.PhaseBegan(name=phase.name))
        self.clock.relabel(phase.name)
        self.clock.spent_s += phase.spent_s

    def _count(self, step: Step) -> None:
        """Add a step to the counts and the means. Raises TrainingLengthError after the recipe's last step."""
        require_counts(step)
        if self.clock.label != "train":  # the first step after a phase
            self._send(events.PhaseBegan(name="train"))
            self.clock.relabel("train")
        self.steps += step.steps
        self.units += step.n
        if self._budget_s is None and self.steps > self._length.total:
            raise TrainingLengthError(
                f"the training of {self._spec.qualified} took {count_steps(self.steps)} and went on, but the recipe "
                f"says {count_steps(self._length.total)}: `train` must end after `recipe.steps` optimizer steps"
            )
        self._log_means.add(step)
        if step.eval_model is not None:
            self.scored_model = step.eval_model

    def _send_progress(self) -> None:
        """Send the progress, but not more often than every PROGRESS_INTERVAL_S."""
        now = perf_counter()
        if now - self._progress_sent_at > PROGRESS_INTERVAL_S:
            self._progress_sent_at = now
            seconds = self.clock.seconds("train")
            rate = self.units / seconds if seconds else 0.0
            self._send(events.Progress(step=self.steps, share=self.progress(), rate=rate))

    def _is_over(self) -> bool:
        if self._budget_s is not None and self.clock.train_s >= self._budget_s:
            return True
        if not self._recipe.stop or self._evaluations_since_best < self._recipe.stop:
            return False
        if self.steps < self._length.total:
            self.stopped_because = f"stop={self._recipe.stop}: as many evaluations on val without a better score"
        return True

    def _add_point(self) -> None:
        """Evaluate val, add a point to the curve, and update the best score. Raises DivergedError."""
        self._schedule.mark_evaluated(self.steps)
        means = self._log_means.means()
        self._log_means = LogMeans()
        val_score, diverged = self._score_on_val()
        point = CurvePoint(
            step=self.steps,
            seconds=self.clock.train_s,
            epoch=self._length.epoch(self.steps),
            train_loss=finite(means.get("loss")),
            train_score=finite(means.get("score")),
            val_score=finite(val_score),
        )
        self._send(events.Evaluated(point=point))
        for name, value in [*means.items(), ("val score", val_score)]:
            if value is not None and not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at step {self.steps}")
        if diverged is not None:
            raise DivergedError(f"{diverged}, at step {self.steps}") from diverged
        if val_score is not None:
            self._update_best(val_score)

    def _score_on_val(self) -> tuple[float | None, DivergedError | None]:
        """Return the val score, or why there is none: the outputs are not finite. Without val, neither."""
        if not self._recipe.holdout:
            return None, None
        try:
            self.val_scores = self._evaluate(self.scored_model).scores
        except DivergedError as error:  # the point of the curve still gets its train values
            self.val_scores = {}
            return None, error
        return self.val_scores[self._spec.metric], None

    def _update_best(self, score: float) -> None:
        """Update time-to-target and the best weights."""
        higher = self._spec.higher_is_better
        target = self._spec.target
        meets = target is not None and (score >= target if higher else score <= target)
        if meets and self.time_to_target.status == "missed":
            self.time_to_target = TimeToTarget(status="met", seconds=self.clock.train_s)
        if self._best is None or (score > self._best[0] if higher else score < self._best[0]):
            state = copy.deepcopy(self.scored_model.state_dict()) if self._recipe.select == "best" else {}
            self._best = (score, self.steps, state)
            self._evaluations_since_best = 0
        else:
            self._evaluations_since_best += 1


class LogMeans:
    """Means of each log since the last evaluation, weighted by units; summed on the device, without waiting for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._waiting: dict[str, list[tuple[Deferred, int]]] = {}  # deferred logs of one shape, with their units
        self._units = 0
        self.steps = 0

    def add(self, step: Step) -> None:
        self.steps += step.steps
        self._units += step.n
        for name, value in step.logs.items():
            if isinstance(value, Deferred):
                self._defer(name, value, step.n)
            else:
                self._add(name, value, step.n)

    def _add(self, name: str, value: Tensor, units: int) -> None:
        if name in self._sums:
            self._sums[name].add_(value, alpha=units)
        else:
            self._sums[name] = value * units

    def _defer(self, name: str, value: Deferred, units: int) -> None:
        waiting = self._waiting.setdefault(name, [])
        if waiting and (_size(value) * len(waiting) >= MAX_DEFERRED or not _can_be_stacked(waiting[0][0], value)):
            self._compute(name)
        waiting.append((value, units))

    def _compute(self, name: str) -> None:
        """Compute the deferred values of a log, and add them in the order of their steps."""
        waiting = self._waiting[name]
        columns = zip(*(value.tensors for value, _ in waiting), strict=True)
        values = waiting[0][0].compute(*map(torch.stack, columns))
        for value, (_, units) in zip(values.unbind(), waiting, strict=True):
            self._add(name, value, units)
        waiting.clear()

    def means(self) -> dict[str, float]:
        for name, waiting in self._waiting.items():
            if waiting:
                self._compute(name)
        return {name: float(total) / self._units for name, total in self._sums.items()} if self._units else {}


def _size(value: Deferred) -> int:
    return max(1, sum(tensor.numel() for tensor in value.tensors))


def _can_be_stacked(first: Deferred, second: Deferred) -> bool:
    forms = ([(tensor.shape, tensor.dtype) for tensor in value.tensors] for value in (first, second))
    return first.compute == second.compute and next(forms) == next(forms)


def require_counts(step: object) -> None:
    """Raise PluginError for anything but a Step with whole numbers of units and steps."""
    if not isinstance(step, Step):
        raise PluginError(f"`train` yielded a {type(step).__name__}, not a Step, a Phase or a Stop: {step!r}")
    for name, count, least in (("n", step.n, 0), ("steps", step.steps, 1)):
        if not isinstance(count, int) or isinstance(count, bool) or count < least:
            raise PluginError(f"`train` yielded a Step with {name}={count!r}: give a whole number, {least} or more")
        if count > MAX_COUNT:
            raise PluginError(f"`train` yielded a Step with {name}={count:.3g}: no step uses so many")


def require_reason(stop: Stop) -> str:
    """Return the reason of a Stop. Raises PluginError if it has none."""
    if not isinstance(stop.reason, str) or not stop.reason.strip():
        raise PluginError(f"`train` yielded a Stop with the reason {stop.reason!r}: say in words why it ends early")
    return stop.reason


def count_steps(count: int) -> str:
    """Write a number of steps in words, such as "1 step"."""
    return f"{count} step{'' if count == 1 else 's'}"
