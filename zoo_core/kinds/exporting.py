"""The export of models of the supervised kinds: a module that takes the column `x` of the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.kinds.objective import Forward, HasTrimmed, Objective
from zoo_core.outputs import OutputForm
from zoo_core.protocols import Exportable


class FromColumn(nn.Module):
    """A model behind the objective's preprocessing: column `x` (batch, ...) -> the model's output, without padding."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self._objective = model, objective

    def forward(self, x: Tensor) -> Tensor:
        return trimmed(self._objective, self.model(self._objective.inputs({"x": x})), x)


def trimmed(objective: Objective, output: Tensor, x: Tensor) -> Tensor:
    """Return the part of a batch's output that belongs to its examples `x`."""
    return objective.trimmed(output, x) if isinstance(objective, HasTrimmed) else output


def supervised_export(
    model: nn.Module, objective: Objective, form: OutputForm | None, split: DeviceSplit, forward: Forward
) -> Exportable:
    """Return what a file of a model holds. forward: of the model, in evaluations; it has the form."""

    def batch_of(numbers: Sequence[int]) -> Batch:
        return split.at(torch.as_tensor(numbers))

    def expected(numbers: Sequence[int]) -> Tensor:
        batch = batch_of(numbers)
        return trimmed(objective, forward(batch), batch["x"])

    return Exportable(
        module=FromColumn(model, objective),
        inputs={"x": {0: "batch"}},
        outputs={output_name(form): {0: "batch"}},
        count=len(split),
        examples=lambda numbers: (batch_of(numbers)["x"],),
        expected=expected,
    )


def output_name(form: OutputForm | None) -> str:
    """Name the output of a file by the form of what forward returns."""
    return form.values if form is not None and form.values.isidentifier() else "output"
