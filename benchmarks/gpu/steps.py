"""Training steps of shipped pairs on one device: hidden synchronisations, operators, time, and how busy the device is.

    python benchmarks/gpu/steps.py --device cuda --out steps.json
    PYTHONPATH=/folder/of/openreg python benchmarks/gpu/steps.py --device openreg --all

The pairs train in this process, without evaluations, on their offline data. Each takes a few steps that do not count,
then some that are watched: on CUDA by torch's sync debug mode, on the test accelerator (tests/device) by its reports.
On CUDA, 25 steps are timed and ten profiled after that, and three pairs are timed as a bare loop and as a CUDA graph.

Exit code 1 if a step of a pair waits for the device and WAITS does not say why, or if a pair cannot train.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo_core.kinds import KINDS
from zoo_core.protocols import Step
from zoo_core.registry import Registry
from zoo_core.results.store import Store
from zoo_core.runner.events import TrialJob
from zoo_core.runner.plan import make_plan
from zoo_core.runner.prepare import PreparedTrial
from zoo_core.runner.request import make_request
from zoo_core.runner.training import LogMeans
from zoo_core.runner.trial import TrialRunner
from zoo_core.specs import NO_WEIGHTS

SMALL_BATCH = 8  # pictures of a batch where only the number of waits counts


@dataclass(frozen=True)
class Counts:
    """How many steps of a training do not count, are watched, timed and profiled."""

    skipped: int
    watched: int
    timed: int = 0
    profiled: int = 0

    @property
    def all(self) -> int:
        return self.skipped + self.watched + self.timed + self.profiled


ON_CUDA, ELSEWHERE = Counts(skipped=15, watched=10, timed=25, profiled=10), Counts(skipped=2, watched=4)


@dataclass(frozen=True)
class Case:
    """A pair to train, and what differs from its default recipe. `small`: in its quick preset, with small batches."""

    task: str
    model: str
    dtype: str = "float32"
    settings: dict[str, Any] = field(default_factory=dict)
    small: bool = False

    def __str__(self) -> str:
        words = [self.task, self.model, *(f"{key}={value}" for key, value in self.settings.items())]
        return " ".join([*words, *([self.dtype] if self.dtype != "float32" else [])])


AUGMENTED = {
    **{"crop": 2, "flip": True, "rotate": 10.0, "zoom": 0.1, "shear": 5.0, "recolour": True, "contrast": 0.2},
    **{"brightness": 0.2, "blur": 1.0},
}
# One of each kind, loss and augmentation; the precision where it matters.
CASES = [
    Case("cosine", "mlp"),
    Case("mnist", "zoo-mnist:mlp-3"),
    Case("mnist", "zoo-mnist:cnn"),
    Case("mnist", "zoo-mnist:cnn", "bfloat16"),
    Case("mnist", "zoo-mnist:cnn-fast"),
    Case("cifar10", "zoo-cifar10:cnn"),
    Case("cifar10", "zoo-cifar10:cnn-fast"),
    Case("cifar10", "zoo-cifar10:resnet-18"),
    Case("cifar10", "zoo-cifar10:resnet-18", "bfloat16"),
    Case("cifar10", "zoo-cifar10:cnn", settings={**AUGMENTED, "mixup": 0.5}),
    Case("cifar10", "zoo-cifar10:cnn", settings={"cutmix": 0.5, "loss": "focal", "ema": 0.99, "accumulate": 2}),
    Case("cifar10", "timm/resnet10t"),
    Case("traffic-signs", "zoo-traffic-signs:cnn"),
    Case("dogs70", "zoo-dogs70:squeezenet-1.0"),
    Case("membrane", "unet"),
    Case("membrane", "unet", "bfloat16"),
    Case("road-scenes", "unet"),
    Case("motion", "lstm"),
    Case("motion", "transformer"),
    Case("pose", "lstm"),
    Case("pose", "transformer"),
    Case("pose", "tcn"),
    Case("gan-curve", "wgan-gp"),
    Case("gan-digits", "dcgan"),
]
# Cases that wait for the device, and why: an expression for their names -> the reason.
WAITS = {
    r"road-signs|cats-and-dogs": "pictures differ in the number of objects, which decides the shapes of tensors",
    r"optimizers .*cma-es": "the library that searches computes on the CPU",
    r"optimizers .*lbfgs": "its line search compares numbers in Python",
}
BARE = ("mnist zoo-mnist:cnn", "cifar10 zoo-cifar10:resnet-18", "membrane unet")


def all_cases(registry: Registry) -> list[Case]:
    """Return every shipped pair, small."""
    return [Case(pair.task.qualified, pair.model.qualified, small=True) for pair in registry.pairs()]


def make_job(case: Case, device: str, registry: Registry, folder: Path, steps: int) -> TrialJob:
    """Plan the case as `zoo bench` does, and return its job."""
    (task,) = registry.tasks_named([case.task])
    model = registry.model_or_file(case.model, task)
    small = {"batch_size": SMALL_BATCH} if case.small and task.kind in KINDS else {}
    request = make_request(
        registry,
        [case.task],
        [model],
        settings={**small, **case.settings},
        quick=case.small,
        max_steps=steps,
        weights=NO_WEIGHTS if model.weights else "",  # published ones need a download
        devices=[device],
        offline=True,
        dtype=case.dtype,
    )
    (trial,) = make_plan(request, registry, Store(folder)).todo
    return trial.to_trial_job(folder, "")


class Loop:
    """The steps of one training, one by one, as the runner takes them between two evaluations."""

    def __init__(self, trial: PreparedTrial) -> None:
        self._trial, self._means, self.taken = trial, LogMeans(), 0
        trial.ctx.progress = lambda: min(1.0, self.taken / trial.length.total)
        model = trial.build_model()
        self._events = trial.task.train(trial.ctx, model, trial.recipe)

    def step(self) -> bool:
        """Take a step; return whether there was one."""
        while True:
            with self._trial.autocast():
                event = next(self._events, None)
            if isinstance(event, Step):
                self._means.add(event)
                self.taken += 1
                return True
            if event is None or hasattr(event, "reason"):  # the end, or a Stop
                return False

    def steps(self, count: int) -> int:
        """Take up to `count` steps; return how many there were."""
        return sum(self.step() for _ in range(count))


def watching_waits(kind: str) -> contextlib.AbstractContextManager[Counter[str]]:
    """Return a context that counts, by line, for what Python waits in the block."""
    return _watching_cuda() if kind == "cuda" else _watching_openreg()


@contextlib.contextmanager
def _watching_cuda() -> Iterator[Counter[str]]:
    found: Counter[str] = Counter()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
    for item in seen:
        if "called a synchronizing" in str(item.message):  # torch also warns once that this mode is a prototype
            found[f"{Path(item.filename).name}:{item.lineno}"] += 1


@contextlib.contextmanager
def _watching_openreg() -> Iterator[Counter[str]]:
    from torch_openreg import trace

    found: Counter[str] = Counter()
    with trace.counting() as reports:
        yield found
    for (kind, what, line), count in reports.items():
        if kind in trace.WAITS:
            found[f"{what} at {line or 'no line of the zoo'}"] += count


def operators_so_far(kind: str) -> int:
    """Return how many operators the test accelerator has run; 0 on another device."""
    if kind != "openreg":
        return 0
    from torch_openreg import _C

    return int(_C.operators())


def measure(job: TrialJob, counts: Counts) -> dict[str, Any]:
    """Train the job's pair for a few steps, and return what they do."""
    kind = job.device.partition(":")[0]
    trial = TrialRunner(job, lambda _: None).prepare()
    loop = Loop(trial)
    loop.steps(counts.skipped)
    before = operators_so_far(kind)
    with watching_waits(kind) as waits:
        watched = loop.steps(counts.watched)
    found: dict[str, Any] = {"steps": watched, "waits": sum(waits.values()) / max(1, watched), "where": dict(waits)}
    if kind == "openreg":
        found["operators"] = round((operators_so_far(kind) - before) / max(1, watched))
    if counts.timed:
        found |= _timed(loop, counts.timed)
    if counts.profiled:
        found |= _profiled(loop, counts.profiled, found["ms"])
    return found


def _timed(loop: Loop, count: int) -> dict[str, float]:
    torch.accelerator.synchronize()
    began = time.perf_counter()
    taken = max(1, loop.steps(count))
    launched = time.perf_counter() - began  # Python is done, the device may not be
    torch.accelerator.synchronize()
    return {"ms": (time.perf_counter() - began) / taken * 1e3, "launch_ms": launched / taken * 1e3}


def _profiled(loop: Loop, count: int, step_ms: float) -> dict[str, float]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        taken = max(1, loop.steps(count))
        torch.accelerator.synchronize()
    kernels = [event for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    busy_ms = sum(event.device_time_total for event in kernels) / 1e3 / taken
    return {"operators": round(len(kernels) / taken), "busy_share": busy_ms / step_ms if step_ms else 0.0}


def measure_bare(job: TrialJob) -> dict[str, Any]:
    """Time the same work without the zoo's loop, and as one CUDA graph. Reads private parts of `Supervised`."""
    from zoo_core.train import make_optimizer

    trial = TrialRunner(job, lambda _: None).prepare()
    task: Any = trial.task
    objective, split, recipe, net = task._objective, task._splits["train"], trial.recipe, trial.build_model()
    if hasattr(objective, "ready"):
        objective.ready(net)
    augment = objective.augment(recipe, trial.ctx) if hasattr(objective, "augment") else None
    optimizer = make_optimizer(net, recipe, trial.ctx.device)
    rows = split._rows if split._rows is not None else torch.arange(len(split), device=split.device)
    index = rows[: int(recipe.batch_size)].clone()

    def step() -> None:
        batch = {name: column.index_select(0, index) for name, column in split._columns.items()}
        batch = augment(batch) if augment else batch
        optimizer.zero_grad(set_to_none=True)
        loss, _ = objective.loss(net(objective.inputs(batch)), batch)
        loss.backward()
        optimizer.step()

    found: dict[str, Any] = {"bare_ms": _ms_of(step)}
    try:
        found["graph_ms"] = _ms_of(_captured(step, trial.ctx.generator, optimizer))
    except RuntimeError as error:  # an operator that cannot be captured
        found["graph_error"] = str(error).partition("\n")[0][:150]
    return found


def _captured(step: Callable[[], None], generator: Any, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _ms_of(call: Callable[[], None], count: int = 100) -> float:
    for _ in range(10):
        call()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / count * 1e3


def run(cases: list[Case], device: str, seconds: float, show: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure all cases; one that fails or waits too often has an `error`."""
    registry, ends = Registry.load(), time.perf_counter() + seconds
    rows: list[dict[str, Any]] = []
    counts = ON_CUDA if device.startswith("cuda") else ELSEWHERE
    for case in cases:
        row: dict[str, Any] = {"case": str(case)}
        rows.append(row)
        if time.perf_counter() > ends:
            row["error"] = "no time was left"
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                job = make_job(case, device, registry, Path(folder), counts.all + 1)
                row |= measure(job, counts)
                if device.startswith("cuda") and str(case) in BARE:
                    row |= measure_bare(job)
            except (Exception, SystemExit) as error:  # of a plugin's code, which may raise anything: the others go on
                traceback.print_exc(limit=-4)
                row["error"] = f"{type(error).__name__}: {error}"[:300]
        if row.get("waits"):
            reason = next((reason for name, reason in WAITS.items() if re.search(name, str(case))), "")
            known = {"waits_because": reason} if reason else {"error": f"a step waits {row['waits']:g} times"}
            row |= known
        show(describe(row))
    return rows


def describe(row: dict[str, Any]) -> str:
    """Return a row in words."""
    numbers = [f"{name} {row[name]:.4g}" for name in row if isinstance(row[name], int | float)]
    lines = [f"    {count} x {line}" for line, count in row.get("where", {}).items()]
    known = [f"    known: {row['waits_because']}"] if "waits_because" in row else []
    failed = [f"    FAILED: {row['error']}"] if "error" in row else []
    return "\n".join([f"{row['case']:60} {'  '.join(numbers)}", *lines, *known, *failed])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or openreg, the test accelerator")
    parser.add_argument("--all", action="store_true", help="every shipped pair, beside the chosen cases")
    parser.add_argument("--only", default="", help="a regular expression for the cases")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after that")
    parser.add_argument("--out", type=Path, help="a file for the rows, as JSON")
    given = parser.parse_args()
    device = given.device if ":" in given.device else f"{given.device}:0"
    cases = [*CASES, *(all_cases(Registry.load()) if given.all else [])]
    cases = [case for case in cases if re.search(given.only, str(case))]
    rows = run(cases, device, given.seconds, lambda text: print(text, flush=True))
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    failed = [row for row in rows if "error" in row]
    print(f"{len(rows) - len(failed)} of {len(rows)} cases passed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
