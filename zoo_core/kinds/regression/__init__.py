"""Kind `regression`, version 1: numbers from numbers.

Data: column x, float32 (n, *input_shape); column y, float32 (n, outputs), in the data's units. One unit is one example.
Model: forward takes float32 (batch, *input_shape), unchanged, and returns (batch, outputs), of a floating-point type.
Loss: the recipe's `loss`, by default the mean squared error; or the model's own `loss(output, target)`.
Scores: the metric `mse` (lower is better); `mae` and `r2`.
"""

from __future__ import annotations

from zoo_core.kinds.kind import Kind
from zoo_core.kinds.names import import_on_use
from zoo_core.kinds.recipes import SUPERVISED
from zoo_core.specs import Param

KIND = Kind(
    name="regression",
    summary="numbers from numbers: (batch, *input_shape) -> (batch, outputs), mean squared error",
    interface=__doc__ or "",  # docs/reference/kinds.md prints the text above
    recipe={
        **SUPERVISED,
        "loss": Param(
            default="mse",
            unset="mse",
            choices=("mse", "mae", "huber"),
            help="huber: squared below an error of 1 in the data's units, absolute above",
        ),
    },
    task_entry="zoo_core.kinds.regression.objective:regression_task",
    output_shape_entry="zoo_core.kinds.examples:one_output_each",
    output_values="values",
    scored_apart=True,
    metric="mse",
    higher_is_better=False,
    example_shape=(4,),
    draw_entry="zoo_core.kinds.regression.examples:draw",
    smallest_model_entry="zoo_core.kinds.examples:linear_model",
    perfect_and_wrong_entry="zoo_core.kinds.regression.examples:perfect_and_wrong",
    templates="zoo_core.kinds.regression",
)

__getattr__ = import_on_use(
    __name__,
    "objective",
    ("regression_task", "RegressionObjective"),
    renamed={"Regression": "regression_task", "RegressionTreaty": "RegressionObjective"},
)
