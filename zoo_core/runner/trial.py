"""Runs one trial, from the seed to the test score: length, evaluation, random state, autocast and compile."""

from __future__ import annotations

import copy
import math
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from torch import nn

from zoo_core.data.open import OpenData, open_data
from zoo_core.entries.codehash import code_sha256
from zoo_core.errors import IncompatibleError
from zoo_core.files import own_cache
from zoo_core.kinds import adapted_signature, chance
from zoo_core.measure.clock import Phases, TrainingClock
from zoo_core.measure.devices import autocast, device_name
from zoo_core.measure.environment import usable_cores
from zoo_core.measure.flops import count_flops
from zoo_core.measure.latency import measure_latency
from zoo_core.measure.memory import PeakMemory
from zoo_core.measure.randomness import evaluation_mode
from zoo_core.measure.threads import thread_rule
from zoo_core.optional import HasEpochSteps, HasExampleInput, HasPictures
from zoo_core.protocols import Context, Evaluation, Step, Task
from zoo_core.recipe import Recipe
from zoo_core.registry import Registry
from zoo_core.results.records import Measured, Status, TableFacts
from zoo_core.runner import events
from zoo_core.runner.artifacts import Artifacts
from zoo_core.runner.build import build_model, prepare_task, reseed
from zoo_core.runner.checkpoints import FILE, Checkpoint
from zoo_core.runner.checkpoints import save as save_checkpoint
from zoo_core.runner.events import TrialJob
from zoo_core.runner.length import Length, resolve_length
from zoo_core.runner.record_facts import model_size
from zoo_core.runner.training import DivergedError, Send, Training, finite
from zoo_core.specs import ModelSpec, Signature, TaskSpec
from zoo_core.weights import read_weights

WARM_UP_STEPS = 3
MAX_INFERENCE_BATCH = 256
INFERENCE_REPEATS = 20


def run_trial(job: TrialJob, send: Send) -> None:
    """Run the trial and send its events. The last one is `TrialDone`, unless the process crashes."""
    trial = TrialRunner(job, send)
    status: Status = "ok"
    reason = trace = ""
    try:
        trial.run()
    except DivergedError as error:
        status, reason = "diverged", str(error)
    # Plugin code may raise anything, even SystemExit. That is a result of this trial.
    except (Exception, SystemExit) as error:
        status = "out_of_memory" if _is_out_of_memory(error) else "error"
        reason, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
    send(
        events.TrialDone(
            status=status, measured=trial.measured(), phases=trial.phases.seconds, reason=reason, traceback=trace
        )
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)


class TrialRunner:
    """One trial and its state; `run` shows the steps in order."""

    def __init__(self, job: TrialJob, send: Send) -> None:
        self.job, self.send = job, send
        self.phases = Phases(lambda name: send(events.PhaseBegan(name=name)))
        self.found = Measured()  # `measured` adds the results of training and artifacts
        self.artifacts = Artifacts(Path(job.staging))
        self.memory: PeakMemory | None = None
        self.training: Training | None = None

    def run(self) -> None:
        """Prepare, warm up, train, score on test, measure inference, and write the artifacts."""
        with self.phases.phase("prepare"):
            self.prepare()
        if self.job.compiled:
            model, runnable = self._compile()
        else:
            with self.phases.phase("warm-up"):
                self._warm_up(self.build_model())
            with self.phases.phase("build"):
                model = runnable = self.build_model()
        reseed(self.ctx)
        training = self._train(model, runnable)
        with self.phases.phase("test"):
            self._score_on_test(training)
        self.found = replace(self.found, peak_memory_mib=self.memory.mib() if self.memory else None)
        with self.phases.phase("measure"):
            self._measure_inference(training.scored_model)
        with self.phases.phase("artifacts"):
            if self.job.save:
                self._save_checkpoint(training.scored_model)
            self._make_pictures(training.scored_model)

    def measured(self) -> Measured:
        """All measurements so far; a trial that failed early leaves the defaults of the others."""
        found, training, kept = self.found, self.training, self.artifacts
        if self.memory is not None and found.peak_memory_mib is None:
            found = replace(found, peak_memory_mib=self.memory.mib())
        if training is not None:
            seconds = training.clock.seconds("train")
            found = replace(
                found,
                val_scores=_finite_scores(training.val_scores),
                time_to_target=training.time_to_target,
                steps=training.steps,
                units=training.units,
                train_s=training.clock.train_s,
                throughput=training.units / seconds if seconds and training.units else None,
                load=training.clock.load(),
            )
        return replace(found, per_example=kept.per_example, pictures=kept.pictures, left_out=kept.left_out)

    # before training

    def prepare(self) -> None:
        """Find the specs, open the data, read the weights, and prepare the task with them."""
        job = self.job
        # Momentum of weights without gradient (MNIST's border) decays to denormal numbers, tens of times slower on a
        # CPU: without this line, `mlp-100` takes twice as long from the second epoch on.
        torch.set_flush_denormal(True)
        registry = Registry.load()
        self.spec: TaskSpec = registry.task(job.task)
        self.model_spec: ModelSpec = registry.model(job.model, self.spec)
        dataset = registry.dataset(job.dataset)
        self.memory = PeakMemory(job.device)
        self.ctx = Context(
            device=job.device,
            dtype=job.dtype,
            seed=job.seed,
            threads=job.threads or usable_cores(),
            cache=own_cache(job.task),
            data_root=Path(job.data_root) if job.data_root else None,
            offline=job.offline,
            budget_s=job.budget_s,
        )
        self.data: OpenData = open_data(dataset, self.ctx, job.fingerprint)
        recipe = Recipe(job.recipe)
        self.data_signature: Signature = self.data.signature
        self.data.signature = adapted_signature(self.model_spec, self.spec, self.data_signature, recipe)
        refusal = self.model_spec.accepts.refusal(self.data.signature)
        if refusal:
            raise IncompatibleError(f"model {self.model_spec.qualified} cannot take {dataset.qualified}: {refusal}")
        self._weights = read_weights(Path(job.weights)) if job.weights else None
        self.task: Task = prepare_task(self.spec, self.ctx, self.data, recipe)
        epoch_steps = self.task.epoch_steps(recipe) if isinstance(self.task, HasEpochSteps) else None
        self.length: Length = resolve_length(recipe, epoch_steps, job.budget_s)
        self.recipe = Recipe({**recipe, "steps": self.length.total})

    def build_model(self) -> nn.Module:
        """Build a model on the device; the same seed gives the same weights."""
        reseed(self.ctx)
        return build_model(self.model_spec, self.data.signature, self.recipe, self._weights).to(self.job.device)

    def _compile(self) -> tuple[nn.Module, nn.Module]:
        """Return the model and its compiled form, after warm-up steps.

        A second instance would have to be compiled again. So this one takes the warm-up steps, and gets its initial
        weights back afterwards.
        """
        with self.phases.phase("build"):
            model = self.build_model()
        with self.phases.phase("compile"):
            initial = copy.deepcopy(model.state_dict())
            runnable: nn.Module = torch.compile(model)  # type: ignore[assignment]
            self._warm_up(model, runnable)
            self._compile_other_batch_size(runnable)
            model.load_state_dict(initial)
            model.zero_grad(set_to_none=True)
        return model, runnable

    def _compile_other_batch_size(self, runnable: nn.Module) -> None:
        """Compile for a second batch size before the clock runs, because the last batch of an epoch may be smaller."""
        if not isinstance(self.task, HasExampleInput):
            return
        with self._autocast():
            output = runnable(self.task.example_input(self.ctx, self.recipe.get("batch_size", 2) // 2 + 1))
        if isinstance(output, torch.Tensor) and output.requires_grad:
            output.sum().backward()  # type: ignore[no-untyped-call]

    def _warm_up(self, model: nn.Module, runnable: nn.Module | None = None) -> None:
        """Measure the model's size, set the number of threads, and take a few steps without keeping their results."""
        size = model_size(model)
        flops, unknown = self._flops(model)
        self._set_threads(flops, size.parameters)
        self.send(
            events.Facts(
                chance=chance(self.spec, self.data.signature),
                model=replace(size, flops_per_unit=flops, flops_unknown_because=unknown),
                device=events.DeviceInUse(threads=self.ctx.threads, name=device_name(self.job.device)),
                environment=events.TorchBuild(torch=str(torch.__version__), cuda=torch.version.cuda or ""),
                examples=self.data.examples(holdout=self.recipe.holdout),
            )
        )
        self._take_warm_up_steps(runnable or model)

    def _flops(self, model: nn.Module) -> tuple[int | None, str]:
        if not isinstance(self.task, HasExampleInput):
            return None, "the task gives no example input"
        try:
            with evaluation_mode(model, self.ctx.generator, self.job.device):
                return count_flops(model, self.task.example_input(self.ctx, 1))
        except NotImplementedError as error:  # an operator that does not support dispatch modes
            return None, str(error).partition("\n")[0]

    def _set_threads(self, flops: int | None, parameters: int) -> None:
        if self.job.device != "cpu":
            return
        batch_flops = None if flops is None else float(flops) * self.recipe.get("batch_size", 1)
        self.ctx.threads = self.job.threads or thread_rule(batch_flops, parameters, usable_cores())
        torch.set_num_threads(self.ctx.threads)

    def _take_warm_up_steps(self, model: nn.Module) -> None:
        steps = self.task.train(self.ctx, model, self.recipe)
        for _ in range(WARM_UP_STEPS):
            with self._autocast():
                event = next(steps, None)
            if not isinstance(event, Step):  # do not run a phase in the warm-up
                break

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.job.device, self.job.dtype)

    # training

    def _train(self, model: nn.Module, runnable: nn.Module) -> Training:
        training = self.training = Training(
            spec=self.spec,
            recipe=self.recipe,
            length=self.length,
            budget_s=self.job.budget_s,
            clock=TrainingClock(self.job.device, self.phases),
            model=runnable,
            evaluate=self._evaluate_val,
            send=self.send,
        )
        self.ctx.progress = training.progress
        precision = None if self.job.dtype == "float32" else self._autocast
        training.run(self.task.train(self.ctx, runnable, self.recipe), precision)
        for name, parameter in model.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise DivergedError(f"weight {name} is not finite after {training.steps} steps")
        return training

    def _evaluate_val(self, model: nn.Module) -> Evaluation:
        with self.phases.phase("evaluate"):
            return self._evaluate(model, "val")

    def _evaluate(self, model: nn.Module, split: str) -> Evaluation:
        with evaluation_mode(model, self.ctx.generator, self.job.device), self._autocast():
            return self.task.evaluate(self.ctx, model, split)

    # after training

    def _score_on_test(self, training: Training) -> None:
        """Unseal the test split and score it once."""
        self.found = replace(self.found, selected_step=training.select())
        self.data.unseal()
        evaluation = self._evaluate(training.scored_model, "test")
        self.found = replace(self.found, scores=_finite_scores(evaluation.scores))
        tables = {
            name: TableFacts(columns=[str(column) for column in table.columns], rows=[*map(_json_row, table.rows)])
            for name, table in evaluation.tables.items()
        }
        self.found = replace(self.found, tables=tables)
        score = evaluation.scores[self.spec.metric]
        if not math.isfinite(score):
            raise DivergedError(f"the test score is {score}")
        self.artifacts.keep_per_example(evaluation.per_example)

    def _save_checkpoint(self, model: nn.Module) -> None:
        """Save the scored weights, with everything needed to rebuild the model."""
        job = self.job
        header = Checkpoint(
            task=job.task,
            task_version=self.spec.version,
            dataset=job.dataset,
            fingerprint=job.fingerprint,
            model=self.model_spec.qualified,
            model_version=self.model_spec.version,
            code_sha256=code_sha256(self.model_spec.entry),
            recipe=dict(self.recipe),
            signature=self.data_signature,
            seed=job.seed,
            device=job.device,
            dtype="float32" if job.dtype == "float32" else "bfloat16",
            threads=self.ctx.threads,
            metric=self.spec.metric,
            scores=self.found.scores,
        )
        save_checkpoint(Path(job.staging) / FILE, getattr(model, "_orig_mod", model), header)
        self.found = replace(self.found, checkpoint=FILE)

    def _make_pictures(self, model: nn.Module) -> None:
        if isinstance(self.task, HasPictures):
            with evaluation_mode(model, self.ctx.generator, self.job.device), self._autocast():
                self.artifacts.keep_pictures(self.task.pictures(self.ctx, model))

    def _measure_inference(self, model: nn.Module) -> None:
        """Measure the latency of one unit, and the throughput in batches."""
        if not isinstance(self.task, HasExampleInput):
            return
        example_input = self.task.example_input
        device = self.job.device
        with evaluation_mode(model, self.ctx.generator, device), self._autocast():
            latency = measure_latency(model, example_input(self.ctx, 1), device)
            self.found = replace(self.found, latency=latency)
            size = inference_batch_size(latency.median_ms)
            try:
                batch = measure_latency(model, example_input(self.ctx, size), device, INFERENCE_REPEATS)
            except (torch.OutOfMemoryError, MemoryError) as error:  # the score is known, only the throughput is not
                self.artifacts.left_out["inference_throughput"] = f"batch {size}: {error}"
                return
        self.found = replace(self.found, inference_batch=size, inference_throughput=size / (batch.median_ms / 1000))


def inference_batch_size(latency_ms: float) -> int:
    """Choose the batch size for throughput: a power of two up to 256 that takes at most about a second."""
    affordable = max(1, int(1000 / latency_ms))
    return min(MAX_INFERENCE_BATCH, 1 << (affordable.bit_length() - 1))


def _json_row(row: Sequence[Any]) -> list[Any]:
    """Convert the numpy and torch numbers in a table's row to Python numbers, for JSON."""
    return [cell.item() if hasattr(cell, "item") else cell for cell in row]


def _finite_scores(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite(float(value)) for name, value in scores.items()}
