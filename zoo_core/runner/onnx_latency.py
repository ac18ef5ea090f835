"""`zoo bench --onnxruntime`: the latency of a trained model in onnxruntime, on the CPU."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

from torch import Tensor, nn

from zoo_core.errors import ExportError
from zoo_core.export import ONNX, TOLERANCE, TRACED, require_packages
from zoo_core.export.difference import difference_of
from zoo_core.export.onnx_file import OnnxModel, write_onnx
from zoo_core.measure.latency import measure_latency
from zoo_core.measure.randomness import evaluation_mode
from zoo_core.optional import HasExampleInput
from zoo_core.results.records import Latency
from zoo_core.runner.prepare import PreparedTrial

MAX_S = 0.5  # for the measurement


def measure_onnxruntime(trial: PreparedTrial, model: nn.Module) -> Latency:
    """Measure the same forward pass of one unit as the record's `latency`, in float32, on the CPU.

    Raises ExportError with the reason if the model cannot be exported, or if the file computes something else.
    """
    require_packages(ONNX)
    if not isinstance(trial.task, HasExampleInput):
        raise ExportError("the task gives no example input")
    traced, one = (_on_cpu(trial.task.example_input(trial.ctx, count)) for count in (TRACED, 1))
    copied = copy.deepcopy(getattr(model, "_orig_mod", model)).cpu()  # torch.compile wraps the model
    with evaluation_mode(copied, None, "cpu"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write_onnx(copied, [traced], path, axes={"x": {0: "batch"}})
        run = OnnxModel(path, trial.ctx.threads)
        (output,) = run(one)
        difference = difference_of(copied(one), output).relative
        if not difference <= TOLERANCE:
            raise ExportError(f"the exported file differs by {difference:.2g} of the largest output")
        return measure_latency(run, one, "cpu", max_s=MAX_S)


def _on_cpu(x: object) -> Tensor:
    """Return the input on the CPU. Raises ExportError if it is not one tensor."""
    if not isinstance(x, Tensor):
        raise ExportError("the model's input is not a single tensor")
    return x.cpu()
