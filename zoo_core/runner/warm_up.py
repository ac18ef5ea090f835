"""The work before the clock starts: sends the model's facts, sets the threads, and takes warm-up steps."""

from __future__ import annotations

import torch
from msgspec.structs import replace
from torch import nn

from zoo_core.kinds import chance
from zoo_core.measure.environment import usable_cores
from zoo_core.measure.flops import count_flops
from zoo_core.measure.randomness import evaluation_mode
from zoo_core.measure.threads import thread_rule
from zoo_core.optional import HasExampleInput
from zoo_core.protocols import Step
from zoo_core.runner import events
from zoo_core.runner.prepare import PreparedTrial
from zoo_core.runner.record_facts import model_size
from zoo_core.runner.training import Send

WARM_UP_STEPS = 3


def set_threads_and_report(trial: PreparedTrial, model: nn.Module, send: Send) -> None:
    """Measure the model's size, set the number of threads by it, and send both with the other facts of the trial."""
    size = model_size(model)
    flops, unknown_because = _count_flops(trial, model)
    _set_threads(trial, flops, size.parameters)
    send(
        events.Facts(
            chance=chance(trial.task_spec, trial.data.signature),
            model=replace(size, flops_per_unit=flops, flops_unknown_because=unknown_because),
            device=events.DeviceInUse(threads=trial.ctx.threads),
            environment=events.TorchBuild(torch=str(torch.__version__), cuda=torch.version.cuda or ""),
            examples=trial.data.examples(holdout=trial.recipe.holdout),
        )
    )


def _count_flops(trial: PreparedTrial, model: nn.Module) -> tuple[int | None, str]:
    if not isinstance(trial.task, HasExampleInput):
        return None, "the task gives no example input"
    try:
        with evaluation_mode(model, trial.ctx.generator, trial.job.device):
            return count_flops(model, trial.task.example_input(trial.ctx, 1))
    except NotImplementedError as error:  # an operator that does not support dispatch modes
        return None, str(error).partition("\n")[0]


def _set_threads(trial: PreparedTrial, flops: int | None, parameters: int) -> None:
    if trial.job.device != "cpu":
        return
    batch_flops = None if flops is None else float(flops) * trial.recipe.get("batch_size", 1)
    cores = trial.job.max_threads or usable_cores()
    trial.ctx.threads = trial.job.threads or thread_rule(batch_flops, parameters, cores)
    torch.set_num_threads(trial.ctx.threads)


def take_warm_up_steps(trial: PreparedTrial, model: nn.Module) -> None:
    """Take a few optimizer steps. Stops at a Phase, which would be computed outside of the timed windows."""
    steps = trial.task.train(trial.ctx, model, trial.recipe)
    for _ in range(WARM_UP_STEPS):
        with trial.autocast():
            event = next(steps, None)
        if not isinstance(event, Step):
            break


def compile_other_batch_size(trial: PreparedTrial, runnable: nn.Module) -> None:
    """Compile for a second batch size before the clock runs, because the last batch of an epoch may be smaller."""
    if not isinstance(trial.task, HasExampleInput):
        return
    with trial.autocast():
        output = runnable(trial.task.example_input(trial.ctx, trial.recipe.get("batch_size", 2) // 2 + 1))
    if isinstance(output, torch.Tensor) and output.requires_grad:
        output.sum().backward()  # type: ignore[no-untyped-call]
