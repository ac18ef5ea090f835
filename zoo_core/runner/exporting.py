"""`zoo export`: writes a saved model into a file of another format, and checks the file on examples of test."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo_core.entries import resolve_entry
from zoo_core.errors import ExportError, UsageError, machine_error_of
from zoo_core.export import ONNX, PROGRAM, SAFETENSORS, SUFFIXES, TRACED, require_packages
from zoo_core.export.difference import Difference, difference_of
from zoo_core.export.onnx_file import OnnxModel, write_onnx
from zoo_core.export.program_file import ProgramModel, write_program
from zoo_core.files import portable
from zoo_core.measure.latency import measure_latency
from zoo_core.measure.randomness import evaluation_mode
from zoo_core.optional import HasExportable
from zoo_core.protocols import Context, Exportable, Task
from zoo_core.quote import one_line
from zoo_core.registry import Registry
from zoo_core.runner.events import ExportJob
from zoo_core.runner.restraint import restrained_use
from zoo_core.runner.saved_models import SavedModel, open_for_test
from zoo_core.specs import TaskSpec
from zoo_core.weights import read_weights

MAX_EXAMPLES, MIN_EXAMPLES = 256, 8  # of test, on which a file is checked
MAX_VALUES = 1 << 22  # numbers in the inputs of these examples, and of a batch whose speed is measured
MAX_BATCH, MAX_COMPARED = 256, 32  # examples in a batch: whose speed is measured, and that is compared
REPEATS, MAX_S = 50, 1.0  # of a measurement of speed
MAX_NAMES, MAX_CHARS = 10_000, 200  # classes in the metadata of a file, and characters of a text there

Run = Callable[..., list[Tensor]]  # a file that is loaded: inputs -> outputs


def export(job: ExportJob) -> dict[str, Any]:
    """Write the file of a job and return what it is and how it compares; see `zoo export`.

    The file appears under its name only if its outputs differ by no more than the tolerance.
    Raises ExportError if the model cannot be exported, UsageError if the file exists or cannot be written.
    """
    require_packages(job.form)
    saved = SavedModel(Path(job.checkpoint), Registry.load(), "cpu", 0, job.model)
    out = Path(job.out) if job.out else Path(job.folder, _default_name(saved) + SUFFIXES[job.form])
    with _new_file(out, force=job.force) as (path, keep):
        export_it = _export_weights if job.form == SAFETENSORS else _export_module
        difference, facts = export_it(saved, job, path)
        size, written = path.stat().st_size, difference.relative <= job.tolerance
        replaced = keep() if written else False
    return {
        **facts,
        "format": job.form,
        "file": str(out),
        "bytes": size,
        "largest_difference": _finite(difference.absolute),
        "relative_difference": _finite(difference.relative),
        "tolerance": job.tolerance,
        "written": written,
        "replaced": replaced,
    }


def _finite(value: float) -> float | None:
    """Return None for an infinite number, which JSON does not have."""
    return value if math.isfinite(value) else None


def _default_name(saved: SavedModel) -> str:
    """Name a file by the model and the task in the header, which may come from anyone."""
    names = (saved.header.model, saved.header.task)
    return "-".join(portable(name.rpartition(":")[2], 40) for name in names)


def _export_weights(saved: SavedModel, _: ExportJob, path: Path) -> tuple[Difference, dict[str, Any]]:
    """Write the weights alone, and read them back."""
    model = saved.build_model()
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt", **_facts(saved)})
    read = read_weights(path, ".safetensors")
    difference = Difference()
    for name, tensor in tensors.items():
        difference = difference.joined(difference_of(tensor, read[name]))
    return difference, {"task": saved.header.task, "model": saved.header.model, "tensors": len(tensors)}


def _export_module(saved: SavedModel, job: ExportJob, path: Path) -> tuple[Difference, dict[str, Any]]:
    """Write the model with its preprocessing, and compare the file with the model on examples of test."""
    task, model, facts = open_for_test(saved, job)
    ctx = saved.ctx
    with restrained_use(saved.path, ctx.device), evaluation_mode(model, ctx.generator, ctx.device):
        exportable = exportable_of(saved.task_spec, task, ctx, model)
        exportable.module.eval()
        sizes = _Sizes(exportable, int(saved.recipe.get("batch_size", MAX_BATCH)))
        example = exportable.examples(_numbers(exportable.count, sizes.traced))
        run, written = _write(saved, job, exportable, example, path)
        difference, output = _compare(exportable, run, sizes)
        speed = [_speed(exportable, run, job.form, batch) for batch in dict.fromkeys((1, sizes.measured))]
    (name,) = exportable.outputs
    return difference, {
        **facts,
        **written,
        "inputs": list(map(_tensor_text, exportable.inputs, example, exportable.inputs.values())),
        "output": _tensor_text(name, output, exportable.outputs[name]),
        "examples": min(sizes.examples, exportable.count),
        "threads": ctx.threads,
        "speed": speed,
    }


def _write(
    saved: SavedModel, job: ExportJob, exportable: Exportable, example: Sequence[Tensor], path: Path
) -> tuple[Run, dict[str, Any]]:
    """Write the file and load it again. Also return what only this format has, for the command."""
    if job.form == PROGRAM:
        write_program(exportable.module, example, path, axes=exportable.inputs, facts=_facts(saved))
        return ProgramModel(path), {}
    (name,) = exportable.outputs
    opset = write_onnx(
        exportable.module,
        example,
        path,
        axes=exportable.inputs,
        output=name,
        opset=job.opset or None,
        facts=_facts(saved),
    )
    return OnnxModel(path, saved.ctx.threads), {"opset": opset}


def exportable_of(spec: TaskSpec, task: Task, ctx: Context, model: nn.Module) -> Exportable:
    """Return what a file of the model must hold. Raises ExportError if the task does not say it."""
    if spec.export:
        made: Exportable = resolve_entry(spec.export)(task, ctx, model)
        return made
    if isinstance(task, HasExportable):
        return task.exportable(ctx, model)
    raise ExportError(
        f"models of task {spec.qualified} cannot be exported: its kind {spec.kind} does not say what a file of them "
        "takes and returns. Use --to safetensors for the weights alone"
    )


class _Sizes:
    """How many examples are compared, and how many there are in a batch.

    traced: in the batch that an exporter sees. compared: in the batches of the comparison, after one of one example.
    measured: in the batch whose speed is measured.
    """

    def __init__(self, exportable: Exportable, batch_size: int) -> None:
        size = max(1, sum(item.numel() for item in exportable.examples([0])))
        affordable = max(MIN_EXAMPLES, MAX_VALUES // size)
        self.examples = min(max(exportable.count, MIN_EXAMPLES), MAX_EXAMPLES, affordable)  # few are repeated
        if all(0 in named for named in exportable.inputs.values()):
            self.traced, self.measured = TRACED, max(1, min(batch_size, MAX_BATCH, affordable))
            self.compared = max(TRACED + 1, min(self.measured, MAX_COMPARED))
        else:
            self.traced = self.measured = self.compared = 1


def _numbers(count: int, wanted: int) -> list[int]:
    """Return the numbers of examples that are spread over `count`; a smaller split is repeated."""
    return [index * count // wanted if count >= wanted else index % count for index in range(wanted)]


def _compare(exportable: Exportable, run: Run, sizes: _Sizes) -> tuple[Difference, Tensor]:
    """Return the largest difference on examples of test, and an output. The first example is a batch of its own.

    So the file runs with batches of two sizes at least, neither of which is the size that was traced.
    """
    numbers = _numbers(exportable.count, sizes.examples)
    starts = range(1, len(numbers), sizes.compared)
    difference, expected = Difference(), torch.empty(0)
    for batch in (numbers[:1], *(numbers[start : start + sizes.compared] for start in starts)):
        expected = exportable.expected(batch)
        (output,) = _running(run, exportable.examples(batch), len(batch))
        difference = difference.joined(difference_of(expected, output))
    return difference, expected


def _running(run: Run, inputs: Sequence[Tensor], count: int) -> list[Tensor]:
    """Run a file. Raises ExportError with the reason, such as a batch size that it cannot take."""
    try:
        return run(*inputs)
    # A runtime raises any type of exception.
    except Exception as error:
        if machine_error_of(error) is not None:
            raise
        reason = one_line(str(error).partition("\n")[0])
        raise ExportError(f"the exported file cannot run a batch of {count} examples: {reason}") from error


def _speed(exportable: Exportable, run: Run, form: str, batch: int) -> dict[str, Any]:
    """Measure the median time of a batch, with the model and with the file, in milliseconds."""
    inputs = exportable.examples(_numbers(exportable.count, batch))
    module = exportable.module
    of_torch = measure_latency(lambda items: module(*items), inputs, "cpu", REPEATS, max_s=MAX_S)
    of_file = measure_latency(lambda items: run(*items), inputs, "cpu", REPEATS, max_s=MAX_S)
    name = "onnxruntime" if form == ONNX else PROGRAM
    return {"batch": batch, "torch_ms": of_torch.median_ms, "runtime": name, "runtime_ms": of_file.median_ms}


def _tensor_text(name: str, item: Tensor, axes: Mapping[int, str]) -> str:
    """Describe an input or output, such as `x: uint8 (batch, 3, 32, 32)`."""
    sizes = [axes.get(axis, str(length)) for axis, length in enumerate(item.shape)]
    return f"{name}: {_type(item)} ({', '.join(sizes)})"


def _type(item: Tensor) -> str:
    return str(item.dtype).removeprefix("torch.")


def _facts(saved: SavedModel) -> dict[str, str]:
    """Return the texts for a file's metadata. The names in a checkpoint may come from anyone."""
    header = saved.header
    classes = [one_line(name, MAX_CHARS) for name in header.signature.classes[:MAX_NAMES]]
    return {
        "zoo_task": one_line(header.task, MAX_CHARS),
        "zoo_model": one_line(header.model, MAX_CHARS),
        "zoo_dataset": one_line(header.dataset, MAX_CHARS),
        "zoo_classes": json.dumps(classes),
    }


@contextlib.contextmanager
def _new_file(path: Path, *, force: bool) -> Iterator[tuple[Path, Callable[[], bool]]]:
    """Yield a temporary file to write, and a function that gives it its name and returns whether it replaced a file.

    Without that call, nothing is left. Raises UsageError if the file exists, unless `force`, or cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")

    def exists() -> bool:
        found = os.path.lexists(path)
        if found and not force:
            raise UsageError(f"{path} exists: give another file to --out, or --force to replace it")
        return found

    def keep() -> bool:
        replaces = exists()  # it may have been made meanwhile
        temporary.replace(path)
        return replaces

    exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise machine_error_of(error) or UsageError(
            f"{path} cannot be written ({error.strerror}): give another file to --out"
        ) from error
    try:
        yield temporary, keep
    finally:
        temporary.unlink(missing_ok=True)
