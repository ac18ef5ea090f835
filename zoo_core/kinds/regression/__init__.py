"""Kind `regression`, version 1: numbers from numbers.

Columns: x float32 (n, *input_shape), y float32 (n, outputs), in the data's units.
Model: forward takes float32 (batch, *input_shape), unchanged, and returns (batch, outputs). It computes no loss.
Loss: mean squared error. Metric: `mse` (lower is better); also `mae` and `r2`.
One unit is one example.
"""

from __future__ import annotations

from zoo_core.kinds.kind import Kind
from zoo_core.kinds.recipes import SUPERVISED
from zoo_core.kinds.renamed import find_renamed

KIND = Kind(
    name="regression",
    summary="numbers from numbers: (batch, *input_shape) -> (batch, outputs), mean squared error",
    interface=__doc__ or "",
    recipe=SUPERVISED,
    entry="zoo_core.kinds.regression.objective:Regression",
    metric="mse",
    higher_is_better=False,
    example_shape=(4,),
    draw="zoo_core.kinds.regression.examples:draw",
    smallest_model="zoo_core.kinds.examples:linear_model",
    output_shape="zoo_core.kinds.examples:one_output_each",
    plant="zoo_core.kinds.regression.examples:plant",
    templates="zoo_core.kinds.regression",
)


def __getattr__(name: str) -> object:
    """Import the objective on use, because `zoo list` imports this module."""
    if name in ("Regression", "RegressionObjective"):
        from zoo_core.kinds.regression import objective

        return getattr(objective, name)
    return find_renamed(__name__, name, {"RegressionTreaty": "zoo_core.kinds.regression.objective:RegressionObjective"})
