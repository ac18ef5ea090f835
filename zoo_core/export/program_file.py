"""torch.export: writes a model as a program of torch's operators (`.pt2`), and runs the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo_core.export.capture import Axes, capture, exporting, strip_traces

FACTS = "zoo.json"  # the name of the texts in the file


def write_program(
    module: nn.Module, inputs: Sequence[Tensor], path: Path, *, axes: Axes, facts: Mapping[str, str] | None = None
) -> None:
    """Write a module, in evaluation mode, as a program that `torch.export.load` reads. Raises ExportError.

    inputs, axes, facts: as in `write_onnx`. The file has neither these inputs nor a path of this machine.
    """
    import json

    program = capture(module, inputs, axes)
    strip_traces(program)
    with exporting("torch.export"):
        torch.export.save(program, path, extra_files={FACTS: json.dumps(dict(facts or {}))})


class ProgramModel:
    """A program that `write_program` has written, on the CPU. Do not give it files of others."""

    def __init__(self, path: Path) -> None:
        with exporting("torch.export"):
            self._module = torch.export.load(path).module()

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Return the outputs for inputs on the CPU."""
        with torch.no_grad():
            output = self._module(*inputs)
        return [output] if isinstance(output, Tensor) else list(output)
