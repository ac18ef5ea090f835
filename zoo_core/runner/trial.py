"""Runs one trial in the worker, from the seed to the test score and the artifacts."""

from __future__ import annotations

import copy
import math
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from msgspec.structs import replace
from torch import nn

from zoo_core.entries import resolve_entry
from zoo_core.entries.codehash import code_sha256
from zoo_core.entries.loaded import current_watch, watching_imports
from zoo_core.entries.unpackaged import file_of
from zoo_core.errors import ChangedFileError, DivergedError, MachineError, PluginError, machine_error_of
from zoo_core.kinds import KINDS
from zoo_core.measure.clock import Phases, TrainingClock
from zoo_core.measure.memory import PeakMemory
from zoo_core.memory_limit import is_out_of_memory
from zoo_core.optional import HasPictures, HasTexts
from zoo_core.protocols import Evaluation
from zoo_core.reasons import reason_of
from zoo_core.registry.tampering import Original, find_replaced, list_originals, names_of
from zoo_core.results.records import ONNXRUNTIME, Measured, Status
from zoo_core.runner import events, serving
from zoo_core.runner.artifacts import Artifacts
from zoo_core.runner.build import reseed
from zoo_core.runner.checkpoints import FILE, Checkpoint
from zoo_core.runner.checkpoints import save as save_checkpoint
from zoo_core.runner.evaluation import finite, finite_scores
from zoo_core.runner.events import TrialJob
from zoo_core.runner.inference import measure_inference
from zoo_core.runner.inspection import inspect_trial
from zoo_core.runner.job_specs import find_specs
from zoo_core.runner.limits import cut, cut_middle, limit_measured
from zoo_core.runner.prepare import PreparedTrial, prepare_trial
from zoo_core.runner.profiling import profile_trial
from zoo_core.runner.scoring import save_predictions
from zoo_core.runner.training import Send, Training
from zoo_core.runner.warm_up import compile_other_batch_size, set_threads_and_report, take_warm_up_steps
from zoo_core.runner.watch import May, MayOpen, allow_all, watching_data


def run_trial(job: TrialJob, send: Send) -> None:
    """Run the trial and send its events. The last one is `TrialDone`, unless the process crashes."""
    planned, originals = job.code.files if job.code else {}, _originals()
    with watching_data(job, send, originals) as may_open, watching_imports(planned, _reporter(send)):
        _run_and_send_done(TrialRunner(job, send, may_open, originals), send)


def _originals() -> Sequence[Original]:
    """Return the functions of the zoo, before a plugin can change them. The fork server has listed them already."""
    for kind in KINDS.values():
        resolve_entry(kind.task_entry)
    return serving.originals or list_originals()


def _reporter(send: Send) -> Callable[[str, str], None]:
    """Return a function that sends what this process loads. Its children share the pipe, and send nothing."""
    owner = os.getpid()

    def report(path: str, sha256: str) -> None:
        if os.getpid() == owner:
            send(events.CodeLoaded(path=path, sha256=sha256))

    return report


def _run_and_send_done(trial: TrialRunner, send: Send) -> None:
    status: Status = "ok"
    reason = trace = fault = ""
    try:
        trial.run()
    except ChangedFileError as error:  # a skipped trial runs again with the next call
        status, reason = "skipped", str(error)
    except DivergedError as error:
        status, reason = "diverged", str(error)
    # Plugin code may raise anything, even SystemExit. That is a result of this trial.
    except (Exception, SystemExit) as error:
        status = "out_of_memory" if is_out_of_memory(error) else "error"
        reason, trace = reason_of(error), traceback.format_exc()
        if (machine_error := machine_error_of(error)) is not None:  # no result: the trial runs again with the next call
            status, reason = "interrupted", str(machine_error)
            fault = reason
    send(trial.done(status, reason, trace=trace, fault=fault))


class TrialRunner:
    """One trial and its state; `run` shows the steps in order. `measured` has the results, also after a failure.

    originals: functions that must not have been replaced when the trial ends.
    """

    def __init__(
        self, job: TrialJob, send: Send, may_open: MayOpen = allow_all, originals: Sequence[Original] = ()
    ) -> None:
        self.job, self.send, self.may_open = job, send, may_open
        self.phases = Phases(lambda name: send(events.PhaseBegan(name=name)))
        self.artifacts = Artifacts(Path(job.staging))
        self.memory: PeakMemory | None = None
        self.training: Training | None = None
        self._originals = originals
        self._after_training = Measured()  # `measured` adds the results of training and artifacts

    def run(self) -> None:
        """Prepare, warm up, train, score on test, measure inference, write the artifacts, and add the extras."""
        with self.phases.phase("prepare"):
            trial = self.prepare()
        with self.may_open(May.TRAIN):
            model, runnable = self._compile(trial) if self.job.compiled else self._warm_up_and_build(trial)
            if trial.recipe.holdout:
                with self.phases.phase("initial score"):
                    self._score_before_training(trial, runnable)
            reseed(trial.ctx)
            training = self._train(trial, model, runnable)
        with self.phases.phase("test"):
            self._refuse_replaced_functions()
            self._score_on_test(trial, training)
        self._keep_memory()
        with self.phases.phase("measure"), self.may_open(May.ALL):
            missing_because = measure_inference(
                trial, training.scored_model, self._keep, train_s=training.clock.train_s
            )
            if missing_because:
                self.artifacts.left_out["inference_throughput"] = missing_because
        with self.phases.phase("artifacts"), self.may_open(May.ALL):
            if self.job.save:
                self._save_checkpoint(trial, training.scored_model)
            self._make_pictures(trial, training.scored_model)
            self._make_texts(trial, training.scored_model)
            self._refuse_replaced_functions()
        if self.job.extras:
            self.send(events.ExtrasBegan(done=self.done("ok")))  # so that a fault of an extra costs only the extras
            with self.phases.phase("extras"), self.may_open(May.ALL):
                self._add_extras(trial, training.scored_model)
                self._refuse_replaced_functions()

    def done(self, status: Status, reason: str = "", *, trace: str = "", fault: str = "") -> events.TrialDone:
        """Return the event that ends the trial now, with all that was measured so far."""
        return events.TrialDone(
            status=status,
            measured=limit_measured(self.measured()) if status != "skipped" else Measured(),
            phases=self.phases.seconds,
            spent_s=self.training.clock.spent_s if self.training else 0.0,
            reason=cut(reason),
            traceback=cut_middle(trace),
            fault=fault or self.artifacts.fault,
        )

    def measured(self) -> Measured:
        """All measurements so far; a trial that failed early leaves the defaults of the others."""
        measured, training, kept = self._after_training, self.training, self.artifacts
        if measured.peak_memory_mib is None:
            measured = replace(measured, **self._peaks())
        if training is not None:
            seconds = training.clock.seconds("train")
            measured = replace(
                measured,
                val_scores=finite_scores(training.val_scores),
                time_to_target=training.time_to_target,
                steps=training.steps,
                stopped_because=training.stopped_because,
                units=training.units,
                train_s=training.clock.train_s,
                throughput=training.units / seconds if seconds and training.units else None,
                load=training.clock.load(),
            )
        return replace(
            measured,
            tables=kept.tables,
            per_example=kept.per_example,
            pictures=kept.pictures,
            texts=kept.texts,
            left_out=kept.left_out,
        )

    def _peaks(self) -> dict[str, float | None]:
        """Return the peaks of memory so far, as fields of `Measured`; without those that the device does not tell."""
        if self.memory is None:
            return {}
        return {"peak_memory_mib": self.memory.mib(), "peak_reserved_mib": self.memory.reserved_mib()}

    def _keep_memory(self) -> None:
        """Store the peaks of training and test: what follows measures inference, in larger batches."""
        self._keep(**self._peaks())
        if self.memory is not None and self.memory.unknown_because:
            self.artifacts.left_out["peak_memory_mib"] = self.memory.unknown_because

    def _keep(self, **fields: Any) -> None:
        """Store fields of `Measured`, for `measured`."""
        self._after_training = replace(self._after_training, **fields)

    def _refuse_replaced_functions(self) -> None:
        """Raise PluginError if the trial's code replaced a function on which the measurement relies.

        Also for another code, which the watch refuses: code of the trial may have switched the watch off.
        """
        if replaced := find_replaced(self._originals):
            self.send(events.Tampered(name=names_of(replaced)))
            raise PluginError(f"the trial's code replaced {names_of(replaced)}, on which the measurement relies")

    # before training

    def prepare(self) -> PreparedTrial:
        """Find the specs, open the data, read the weights, and prepare the task with them."""
        # Momentum of weights without gradient (MNIST's border) decays to denormal numbers, tens of times slower on a
        # CPU: without this line, `mlp-100` takes twice as long from the second epoch on.
        torch.set_flush_denormal(True)
        specs = find_specs(self.job, _watch_other_imports)
        self.memory = PeakMemory(self.job.device)
        return prepare_trial(self.job, specs, self.may_open)

    def _warm_up_and_build(self, trial: PreparedTrial) -> tuple[nn.Module, nn.Module]:
        """Warm up with a model that is thrown away, and return a fresh one twice: it is its own runnable form."""
        with self.phases.phase("warm-up"):
            model = trial.build_model()
            set_threads_and_report(trial, model, self.send)
            take_warm_up_steps(trial, model)
            del model
        with self.phases.phase("build"):
            model = trial.build_model()
        return model, model

    def _compile(self, trial: PreparedTrial) -> tuple[nn.Module, nn.Module]:
        """Return the model and its compiled form, after warm-up steps.

        A second instance would have to be compiled again. So this one takes the warm-up steps, and gets its initial
        weights back afterwards.
        """
        with self.phases.phase("build"):
            model = trial.build_model()
        with self.phases.phase("compile"):
            initial = copy.deepcopy(model.state_dict())
            runnable: nn.Module = torch.compile(model)  # type: ignore[assignment]
            set_threads_and_report(trial, model, self.send)
            take_warm_up_steps(trial, runnable)
            compile_other_batch_size(trial, runnable)
            model.load_state_dict(initial)
            model.zero_grad(set_to_none=True)
        return model, runnable

    def _score_before_training(self, trial: PreparedTrial, model: nn.Module) -> None:
        """Score the untrained model on val, so that a training inside of `build` shows."""
        try:
            score = _evaluate(trial, model, "val").scores[trial.task_spec.metric]
        # The model's code may raise anything, for example if only `initialize` makes it complete. If it raises in the
        # training too, the trial fails there.
        except Exception as error:
            self.artifacts.left_out["initial score"] = reason_of(error)
        else:
            self._keep(initial_score=finite(float(score)))

    # training

    def _train(self, trial: PreparedTrial, model: nn.Module, runnable: nn.Module) -> Training:
        def evaluate_on_val(scored_model: nn.Module) -> Evaluation:
            with self.phases.phase("evaluate"):
                return _evaluate(trial, scored_model, "val")

        training = self.training = Training(
            spec=trial.task_spec,
            recipe=trial.recipe,
            length=trial.length,
            budget_s=self.job.budget_s,
            clock=TrainingClock(self.job.device, self.phases),
            model=runnable,
            evaluate=evaluate_on_val,
            send=self.send,
        )
        trial.ctx.progress = training.progress
        training.run(trial.task.train(trial.ctx, runnable, trial.recipe), trial.autocast)
        for name, parameter in model.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise DivergedError(f"weight {name} is not finite after {training.steps} steps")
        return training

    # after training

    def _score_on_test(self, trial: PreparedTrial, training: Training) -> None:
        """Unseal the test split and score it once."""
        self._keep(selected_step=training.select())
        if self.job.scored_apart:
            evaluation = self._predict_and_score(trial, training.scored_model)
        else:
            with self.may_open(May.ALL):
                trial.data.unseal()
                evaluation = _evaluate(trial, training.scored_model, "test")
        self._keep(scores=finite_scores(evaluation.scores))
        self.artifacts.keep_tables(evaluation.tables)
        score = evaluation.scores[trial.task_spec.metric]
        if not math.isfinite(score):
            raise DivergedError(f"the test score is {score}")
        self.artifacts.keep_per_example(evaluation.per_example)

    def _predict_and_score(self, trial: PreparedTrial, model: nn.Module) -> Evaluation:
        """Hand the predictions for the inputs of test over, and only then open the labels and score."""
        task: Any = trial.task  # of a kind that is scored apart, so it has these methods
        with self.may_open(May.ALL):  # no code of the model runs in this block
            trial.data.unseal(labels=False)
        with self.may_open(May.INPUTS), trial.inference(model):
            outputs = task.outputs(trial.ctx, model, "test")
        self.send(events.Predicted(sha256=save_predictions(outputs, Path(self.job.staging))))
        with self.may_open(May.ALL):
            trial.data.unseal()
            evaluation: Evaluation = task.score(outputs, "test", model)
        return evaluation

    def _save_checkpoint(self, trial: PreparedTrial, model: nn.Module) -> None:
        """Save the scored weights, with everything needed to rebuild the model."""
        job, task_spec, model_spec = self.job, trial.task_spec, trial.model_spec
        header = Checkpoint(
            task=job.task,
            task_version=task_spec.version,
            dataset=job.dataset,
            fingerprint=job.fingerprint,
            model=model_spec.qualified,
            model_version=model_spec.version,
            code_sha256=job.code.model.sha256 if job.code else code_sha256(model_spec.entry),
            recipe=dict(trial.recipe),
            signature=trial.data_signature,
            seed=job.seed,
            device=job.device,
            dtype="float32" if job.dtype == "float32" else "bfloat16",
            threads=trial.ctx.threads,
            metric=task_spec.metric,
            file=file_of(model_spec),
            scores=self._after_training.scores,
        )
        try:
            with self.artifacts.writing(FILE) as path:
                save_checkpoint(path, getattr(model, "_orig_mod", model), header)
            self._keep(checkpoint=FILE)
        except MachineError as error:  # the score is not lost because of it
            with self.artifacts.leaving_out("checkpoint"):
                raise error

    def _make_pictures(self, trial: PreparedTrial, model: nn.Module) -> None:
        if isinstance(trial.task, HasPictures):
            with self.artifacts.leaving_out("pictures"), trial.inference(model):
                self.artifacts.keep_pictures(trial.task.pictures(trial.ctx, model))

    def _make_texts(self, trial: PreparedTrial, model: nn.Module) -> None:
        if isinstance(trial.task, HasTexts):
            with self.artifacts.leaving_out("texts"), trial.inference(model):
                self.artifacts.keep_texts(trial.task.texts(trial.ctx, model))

    # extras

    def _add_extras(self, trial: PreparedTrial, model: nn.Module) -> None:
        if self.job.inspect:
            self._inspect(trial, model)
        if self.job.onnxruntime:  # after all that measures the model, because the exporter traces it
            self._measure_onnxruntime(trial, model)
        if self.job.profile:  # last, because it trains another model
            self._profile(trial, self.job.profile)

    def _measure_onnxruntime(self, trial: PreparedTrial, model: nn.Module) -> None:
        """Measure the latency in onnxruntime. A model that cannot be exported costs only this measurement."""
        from zoo_core.runner.onnx_latency import measure_onnxruntime

        with self.artifacts.leaving_out(ONNXRUNTIME):
            self._keep(onnxruntime=measure_onnxruntime(trial, model))

    def _inspect(self, trial: PreparedTrial, model: nn.Module) -> None:
        with self.artifacts.leaving_out("inspection"), trial.inference(model):
            for name, picture in inspect_trial(trial, model):
                self.artifacts.keep_pictures({name: picture})

    def _profile(self, trial: PreparedTrial, what: Literal["time", "memory"]) -> None:
        with self.artifacts.leaving_out("profile"):
            self._keep(profile=profile_trial(trial, what, self.artifacts))


def _watch_other_imports() -> None:
    """Record from now on also imports of files that are not in the plan. Those of the plugins themselves are over."""
    if (watch := current_watch()) is not None:
        watch.watch_others = True


def _evaluate(trial: PreparedTrial, model: nn.Module, split: str) -> Evaluation:
    with trial.inference(model):
        return trial.task.evaluate(trial.ctx, model, split)
