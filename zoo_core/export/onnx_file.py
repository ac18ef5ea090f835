"""ONNX: writes a model with torch's exporter, and runs the file with onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core.errors import ExportError
from zoo_core.export import ONNX, require_packages
from zoo_core.export.capture import Axes, exporting

MAX_BYTES = 2**31 - 2**20  # of one file: ONNX files are protobuf messages, of less than 2 GiB
WORST_ONLY = 3  # onnxruntime's log level: errors


def write_onnx(
    module: nn.Module,
    inputs: Sequence[Tensor],
    path: Path,
    *,
    axes: Axes,
    output: str = "",
    opset: int | None = None,
    facts: Mapping[str, str] | None = None,
) -> int:
    """Write a module, in evaluation mode, as one ONNX file. Return the version of the operators (opset).

    inputs: an example of each input, with at least two examples in a batch. axes: the inputs by name, in order, with
        the names of axes that may have any length. output: name of the output, "" for any.
    opset: None for the exporter's own choice. facts: texts for the file's metadata.
    The file has no path of this machine, which the exporter would add to every operator.
    Raises ExportError with the reason, and UsageError if packages are missing.
    """
    require_packages(ONNX)
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if size > MAX_BYTES:
        raise ExportError(f"the weights take {size >> 20} MiB, and an ONNX file holds less than 2 GiB")
    with exporting("torch.onnx"):
        program: Any = torch.onnx.export(
            module,
            tuple(inputs),
            dynamo=True,
            verbose=False,
            input_names=list(axes),
            output_names=[output] if output else None,
            dynamic_shapes=tuple(dict(named) for named in axes.values()) if any(axes.values()) else None,
            opset_version=opset,
        )
        _remove_traces(program.model)
        program.model.metadata_props.update(facts or {})
        program.save(path, external_data=False)
    written = int(program.model.opset_imports[""])
    if opset is not None and written != opset:  # it only warns
        raise ExportError(f"the exporter wrote opset {written}, because the model cannot be converted to opset {opset}")
    return written


def _remove_traces(model: Any) -> None:
    """Remove the notes of the exporter, which hold paths of source files."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    ClearMetadataAndDocStringPass()(model)


class OnnxModel:
    """An ONNX file in onnxruntime, on the CPU. threads: for one call.

    Raises ExportError if onnxruntime cannot load or run it.
    """

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = WORST_ONLY
        with exporting("onnxruntime"):
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [item.name for item in self._session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Return the outputs for inputs on the CPU."""
        given = {name: item.contiguous().numpy() for name, item in zip(self._names, inputs, strict=True)}
        return [torch.from_numpy(output) for output in self._session.run(None, given)]
