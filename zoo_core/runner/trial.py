"""One trial, from seed to score. It owns clock, length, evaluation, stop, test split, random state, autocast, compile."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.data.open import Data, open_data
from zoo_core.errors import IncompatibleError
from zoo_core.kinds import body_entry
from zoo_core.measure.clock import Phases, TrainingClock
from zoo_core.measure.devices import accelerators
from zoo_core.measure.environment import usable_cores
from zoo_core.measure.flops import count_flops
from zoo_core.measure.latency import measure_latency
from zoo_core.measure.memory import MIB, PeakMemory
from zoo_core.measure.randomness import seed_everything, undisturbed
from zoo_core.measure.threads import thread_rule
from zoo_core.protocols import Context, Evaluation, Phase, Step, Task
from zoo_core.recipe import Recipe
from zoo_core.records import CurvePoint, Measured, Status, TableFacts, TimeToTarget
from zoo_core.registry import Registry
from zoo_core.runner import events
from zoo_core.runner.events import TrialJob
from zoo_core.specs import ModelSpec, TaskSpec, resolve

Send = Callable[[events.Event], None]

WARM_UP_STEPS = 3
POINTS = 10  # val evaluations of a trial, where the recipe leaves it open
PROGRESS_S = 0.1  # between two words on progress
INFERENCE_BATCH = 256
INFERENCE_REPEATS = 20
LARGEST_ARTIFACT = 16 * MIB
ENDLESS = sys.maxsize  # steps under a time budget


class Diverged(Exception):
    """A loss, a score or a weight is no longer a finite number."""


def run_trial(job: TrialJob, send: Send) -> None:
    """Run the trial and send its events, the last of them `Done`, whatever happens short of a crash."""
    trial = Trial(job, send)
    status: Status = "ok"
    reason = trace = ""
    try:
        trial.run()
    except Diverged as error:
        status, reason = "diverged", str(error)
    # Plugin code runs inside: whatever it raises is this trial's result.
    except (Exception, SystemExit) as error:
        status = "out_of_memory" if _is_out_of_memory(error) else "error"
        reason, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
    send(
        events.Done(
            status=status,
            measured=trial.measured(),
            phases=trial.phases.seconds,
            reason=reason,
            traceback=trace,
        )
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)


class Trial:
    """The state of one trial; `run` is its story."""

    def __init__(self, job: TrialJob, send: Send) -> None:
        self.job, self.send = job, send
        self.phases = Phases(lambda name: send(events.PhaseBegan(name=name)))
        self.found: dict[str, Any] = {}
        self.clock: TrainingClock | None = None
        self.steps = self.units = 0

    def run(self) -> None:
        with self.phases.phase("prepare"):
            self._prepare()
        with self.phases.phase("warm-up" if not self.job.compiled else "compile"):
            self._warm_up()
        with self.phases.phase("build"):
            self.model = self._build()
            self._reseed()
        self._train()
        with self.phases.phase("test"):
            self._score()
        with self.phases.phase("measure"):
            self._measure()
        with self.phases.phase("artifacts"):
            self._pictures()

    # -- before training

    def _prepare(self) -> None:
        job = self.job
        registry = Registry.load()
        self.spec: TaskSpec = registry.task(job.task)
        self.model_spec: ModelSpec = registry.model(job.model)
        self.memory = PeakMemory(job.device)
        self.recipe = Recipe(job.recipe)
        self.ctx = Context(
            device=job.device,
            dtype=job.dtype,
            seed=job.seed,
            threads=job.threads or usable_cores(),
            cache=Path(job.staging),
            data_root=Path(job.data_root) if job.data_root else None,
            offline=job.offline,
            budget_s=job.budget_s,
        )
        dataset = registry.dataset(job.dataset)
        self.data: Data = open_data(dataset, self.ctx, job.fingerprint)
        refusal = self.model_spec.accepts.refusal(self.data.signature)
        if refusal:
            raise IncompatibleError(f"model {self.model_spec.qualified} cannot take {dataset.qualified}: {refusal}")
        self._reseed()
        self.task: Task = resolve(body_entry(self.spec))(self.spec)
        self.task.prepare(self.ctx, self.data, self.recipe)
        self._resolve_length()

    def _resolve_length(self) -> None:
        """The trial's steps and when to look at val; steps are without end under a time budget."""
        recipe = self.recipe
        epoch_steps = getattr(self.task, "epoch_steps", None)
        self.epoch_steps: int | None = epoch_steps(recipe) if epoch_steps else None
        if self.job.budget_s is not None:
            self.total = ENDLESS
        elif recipe.steps or self.epoch_steps is None:
            self.total = max(1, recipe.steps)
        else:
            self.total = max(1, round(recipe.epochs * self.epoch_steps))
        self.recipe = Recipe({**recipe, "steps": self.total})
        self.interval = self._evaluation_interval()

    def _evaluation_interval(self) -> float:
        """Steps between val evaluations."""
        if self.recipe.eval_every and self.epoch_steps:
            return float(self.recipe.eval_every * self.epoch_steps)
        if self.total == ENDLESS:
            return float(ENDLESS)  # the clock says when: see `_is_due`
        epochs = self.total / self.epoch_steps if self.epoch_steps else 0.0
        if self.epoch_steps and epochs >= 1:
            whole = max(1, round(epochs / (2 * POINTS)))  # of long trials not every epoch
            return float(self.epoch_steps * whole) if epochs >= POINTS else self.epoch_steps / math.ceil(POINTS / epochs)
        return max(1.0, self.total / POINTS)

    def _reseed(self) -> None:
        self.ctx.generator = seed_everything(self.job.seed, self.job.device)

    def _build(self) -> nn.Module:
        """A new model on the device, the same for the same seed."""
        self._reseed()
        options = {key: self.recipe[key] for key in self.model_spec.options}
        model: nn.Module = resolve(self.model_spec.entry)(self.data.signature, **options)
        return model.to(self.job.device)

    def _runnable(self, model: nn.Module) -> nn.Module:
        """The model as it is called: compiled where that was asked for."""
        return torch.compile(model) if self.job.compiled else model  # type: ignore[return-value]

    def _warm_up(self) -> None:
        """Learn the model's size, set the threads, and run a few steps on a model that is thrown away."""
        model = self._build()
        flops, unknown = self._flops(model)
        parameters = [*model.parameters()]
        count = sum(parameter.numel() for parameter in parameters)
        tensors = [*parameters, *model.buffers()]
        if self.job.device == "cpu":
            batch_flops = None if flops is None else float(flops) * self.recipe.get("batch_size", 1)
            self.ctx.threads = self.job.threads or thread_rule(batch_flops, count, usable_cores())
            torch.set_num_threads(self.ctx.threads)
        self.send(
            events.Facts(
                model={
                    "parameters": count,
                    "trainable_parameters": sum(item.numel() for item in parameters if item.requires_grad),
                    "size_mib": sum(tensor.numel() * tensor.element_size() for tensor in tensors) / MIB,
                    "flops_per_unit": flops,
                    "flops_unknown_because": unknown,
                },
                device={"threads": self.ctx.threads, "name": self._device_name()},
                environment={"torch": str(torch.__version__), "cuda": torch.version.cuda or ""},
                examples=self.data.examples(holdout=self.recipe.holdout),
            )
        )
        self._steps_to_throw_away(model)

    def _steps_to_throw_away(self, model: nn.Module) -> None:
        steps = self.task.train(self.ctx, self._runnable(model), self.recipe)
        for _ in range(WARM_UP_STEPS):
            with self._autocast():
                event = next(steps, None)
            if not isinstance(event, Step):  # a phase does not run in a warm-up
                break
        close = getattr(steps, "close", None)
        if close:
            close()

    def _flops(self, model: nn.Module) -> tuple[int | None, str]:
        example_input = getattr(self.task, "example_input", None)
        if example_input is None:
            return None, "the task gives no example input"
        try:
            with undisturbed(model, self.ctx.generator, self.job.device):
                return count_flops(model, example_input(self.ctx, 1))
        except NotImplementedError as error:  # an operator that cannot be traced
            return None, str(error).partition("\n")[0]

    def _device_name(self) -> str:
        if self.job.device == "cpu":
            from zoo_core.measure.environment import cpu_name

            return cpu_name()
        return next((item.name for item in accelerators() if item.spelling == self.job.device), self.job.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.job.dtype == "float32":
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.job.device).type, dtype=getattr(torch, self.job.dtype))

    # -- training

    def _train(self) -> None:
        clock = self.clock = TrainingClock(self.job.device, self.phases)
        self.ctx.progress = self._progress
        self.window = Window()
        self.next_due, self.told = self.interval, 0.0
        self.target: TimeToTarget = self._no_target_yet()
        self.best: tuple[float, int, dict[str, Any]] | None = None
        self.waited = 0
        self.run_model = self._runnable(self.model)
        self.scored_model = self.run_model
        steps = self.task.train(self.ctx, self.run_model, self.recipe)
        self.send(events.PhaseBegan(name="train"))
        clock.start()
        try:
            self._take_steps(steps, clock)
        finally:
            clock.stop()
            close = getattr(steps, "close", None)
            if close:
                close()
        if self.window.steps:
            self._evaluate_val()
        self._require_finite_weights()

    def _take_steps(self, steps: Iterator[Step | Phase], clock: TrainingClock) -> None:
        autocast = None if self.job.dtype == "float32" else self._autocast
        while True:
            if autocast is None:
                event = next(steps, None)
            else:
                with autocast():
                    event = next(steps, None)
            if event is None:
                return
            if isinstance(event, Phase):
                self.send(events.PhaseBegan(name=event.name))
                clock.relabel(event.name)
                clock.spent_s += event.spent_s
                continue
            if clock.label != "train":
                self.send(events.PhaseBegan(name="train"))
                clock.relabel("train")
            self.steps += event.steps
            self.units += event.n
            self.window.add(event)
            if event.eval_model is not None:
                self.scored_model = event.eval_model
            now = time.perf_counter()
            if now - self.told > PROGRESS_S:
                self.told = now
                self._tell_progress(clock)
            if self._is_due(clock):
                clock.stop()
                self._evaluate_val()
                if self._is_over(clock):
                    return
                clock.start()

    def _is_due(self, clock: TrainingClock) -> bool:
        """Whether to look at val now; under a time budget the clock says so, and at its end at the latest."""
        budget = self.job.budget_s
        if budget is not None:
            share = clock.train_s / budget
            if share >= min(1.0, (len(self.curve) + 1) / POINTS):
                return True
            return self.steps >= self.next_due
        return self.steps >= self.next_due

    def _is_over(self, clock: TrainingClock) -> bool:
        if self.job.budget_s is not None and clock.train_s >= self.job.budget_s:
            return True
        return bool(self.recipe.stop) and self.waited >= self.recipe.stop

    def _progress(self) -> float:
        if self.job.budget_s is not None:
            return min(1.0, self.clock.train_s / self.job.budget_s) if self.clock else 0.0
        return min(1.0, self.steps / self.total)

    def _tell_progress(self, clock: TrainingClock) -> None:
        seconds = clock.windows.get("train", 0.0) + (clock.wall_s - sum(clock.windows.values()))
        self.send(
            events.Progress(step=self.steps, share=self._progress(), rate=self.units / seconds if seconds else 0.0)
        )

    @property
    def curve(self) -> list[CurvePoint]:
        points: list[CurvePoint] = self.found.setdefault("curve", [])
        return points

    def _evaluate_val(self) -> None:
        """Close the window of train values with a look at val, outside the clock."""
        clock = self.clock
        assert clock is not None
        while self.next_due <= self.steps:
            self.next_due += self.interval
        means = self.window.means()
        self.window = Window()
        val_score: float | None = None
        if self.recipe.holdout:
            with self.phases.phase("evaluate"):
                evaluation = self._evaluate("val")
            self.found["val_scores"] = _plain(evaluation.scores)
            val_score = evaluation.scores[self.spec.metric]
        point = CurvePoint(
            step=self.steps,
            seconds=clock.train_s,
            epoch=self.steps / self.epoch_steps if self.epoch_steps else None,
            train_loss=_finite(means.get("loss")),
            train_score=_finite(means.get("score")),
            val_score=_finite(val_score),
        )
        self.curve.append(point)
        self.send(events.Point(point=point))
        self.send(events.PhaseBegan(name="train"))
        for name, value in [*means.items(), ("val score", val_score)]:
            if value is not None and not math.isfinite(value):
                raise Diverged(f"{name} is {value} at step {self.steps}")
        if val_score is not None:
            self._judge(val_score, clock.train_s)

    def _judge(self, score: float, seconds: float) -> None:
        """Note the target's first reaching, and the best weights."""
        if self.target.status == "missed" and self.spec.target is not None and self._meets(score, self.spec.target):
            self.target = TimeToTarget(status="met", seconds=seconds)
        better = self.best is None or (score > self.best[0]) == self.spec.higher_is_better and score != self.best[0]
        self.waited = 0 if better else self.waited + 1
        if better:
            state = copy.deepcopy(self.scored_model.state_dict()) if self.recipe.select == "best" else {}
            self.best = (score, self.steps, state)

    def _meets(self, score: float, target: float) -> bool:
        return score >= target if self.spec.higher_is_better else score <= target

    def _no_target_yet(self) -> TimeToTarget:
        applies = self.spec.target is not None and self.recipe.holdout
        return TimeToTarget(status="missed" if applies else "not applicable")

    def _require_finite_weights(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise Diverged(f"weight {name} is not finite after {self.steps} steps")

    # -- after training

    def _evaluate(self, split: str) -> Evaluation:
        with undisturbed(self.scored_model, self.ctx.generator, self.job.device), self._autocast():
            return self.task.evaluate(self.ctx, self.scored_model, split)

    def _score(self) -> None:
        """Open the test split and score it once."""
        selected = self.steps
        if self.recipe.select == "best" and self.best is not None:
            selected = self.best[1]
            self.scored_model.load_state_dict(self.best[2])
        self.found["selected_step"] = selected
        self.data.unseal()
        evaluation = self._evaluate("test")
        self.found["scores"] = _plain(evaluation.scores)
        self.found["tables"] = {
            name: TableFacts(columns=table.columns, rows=table.rows) for name, table in evaluation.tables.items()
        }
        score = evaluation.scores[self.spec.metric]
        if not math.isfinite(score):
            raise Diverged(f"the test score is {score}")
        if evaluation.per_example:
            self._keep_per_example(evaluation.per_example)

    def _measure(self) -> None:
        """Latency and throughput of the trained model's forward pass."""
        example_input = getattr(self.task, "example_input", None)
        if example_input is None:
            return
        model, device = self.scored_model, self.job.device
        with undisturbed(model, self.ctx.generator, device), self._autocast():
            self.found["latency"] = measure_latency(model, example_input(self.ctx, 1), device)
            batch = measure_latency(model, example_input(self.ctx, INFERENCE_BATCH), device, INFERENCE_REPEATS)
        self.found["inference_batch"] = INFERENCE_BATCH
        self.found["inference_throughput"] = INFERENCE_BATCH / (batch.median_ms / 1000)

    def _keep_per_example(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        size = sum(array.nbytes for array in arrays.values())
        if size > LARGEST_ARTIFACT:
            self._leave_out("per-example results", size)
            return
        path = Path(self.job.staging) / "per_example.npz"
        np.savez_compressed(path, allow_pickle=False, **arrays)
        self.found["per_example"] = path.name

    def _pictures(self) -> None:
        make = getattr(self.task, "pictures", None)
        if make is None:
            return
        from zoo_core.pictures import png

        with undisturbed(self.scored_model, self.ctx.generator, self.job.device), self._autocast():
            pictures = make(self.ctx, self.scored_model)
        for number, (name, picture) in enumerate(pictures.items()):
            content = png(picture)
            if len(content) > LARGEST_ARTIFACT:
                self._leave_out(f"picture {name}", len(content))
                continue
            (Path(self.job.staging) / f"picture-{number}.png").write_bytes(content)
            self.found.setdefault("pictures", {})[name] = f"picture-{number}.png"

    def _leave_out(self, what: str, size: int) -> None:
        self.found.setdefault("left_out", {})[what] = f"{size / MIB:.1f} MiB, over the limit of {LARGEST_ARTIFACT // MIB}"

    def measured(self) -> Measured:
        """All that is known by now."""
        found = {key: value for key, value in self.found.items() if key != "curve"}
        if hasattr(self, "memory"):
            found["peak_memory_mib"] = self.memory.mib()
        clock = self.clock
        if clock is not None:
            seconds = clock.windows.get("train", 0.0)
            found |= {
                "train_s": clock.train_s,
                "throughput": self.units / seconds if seconds and self.units else None,
                "steps": self.steps,
                "units": self.units,
                "load": clock.load(),
                "time_to_target": self.target,
            }
        return Measured(**found)


class Window:
    """Means of a window's logs, weighted by units, summed on the device without waiting for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._units = 0
        self.steps = 0

    def add(self, step: Step) -> None:
        self.steps += step.steps
        self._units += step.n
        for name, value in step.logs.items():
            weighted = value * step.n
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted

    def means(self) -> dict[str, float]:
        return {name: float(total) / self._units for name, total in self._sums.items()} if self._units else {}


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(float(value)) for name, value in scores.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


