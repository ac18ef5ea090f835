"""The task `autograd`, its functions and the methods that differentiate them. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, Param, Signature, TaskSpec

KIND = "zoo-basics/gradient"

TASK = TaskSpec(
    name="autograd",
    title="Gradients of composed functions",
    summary="Compute the gradient of functions whose derivatives are known, in float64. Nothing is trained.",
    kind=KIND,
    datasets=("composed-functions",),
    metric="max_relative_error",
    higher_is_better=False,
    chance=1.0,  # of the gradient 0
    target=1e-12,
    unit="gradients",
    recipe={
        "steps": 1,
        "holdout": False,  # there is nothing to select on val
        "repeats": Param(default=7, help="timed repeats of each function", minimum=1),
    },
    expected_failures={"other-seed": "nothing is trained, so there is nothing for a seed to change"},
    quick={"repeats": 3},
    entry="zoo_basics.gradients.task:Gradients",
)

DATASETS = (
    DatasetSpec(
        name="composed-functions",
        title="Composed functions with their gradients: x squared at 11 and others, up to small nets",
        origin="exact",
        licence="CC0-1.0",
        signature=Signature(input_shape=(None,)),
        entry="zoo_basics.gradients.data:ComposedFunctions",
    ),
)

MODELS = (
    ModelSpec(
        name="autograd",
        title="torch's automatic differentiation",
        kind=KIND,
        entry="zoo_basics.gradients.methods:Autograd",
    ),
    ModelSpec(
        name="by-hand",
        title="The backward pass, written out as four equations",
        kind=KIND,
        entry="zoo_basics.gradients.methods:ByHand",
        year=1986,
        paper="https://doi.org/10.1038/323533a0",
    ),
    ModelSpec(
        name="finite-differences",
        title="Central differences: two values for each partial derivative",
        kind=KIND,
        entry="zoo_basics.gradients.methods:FiniteDifferences",
        options={
            "step": Param(default=6e-6, help="of a coordinate near 1; about the cube root of 2.2e-16", minimum=1e-300)
        },
    ),
    ModelSpec(
        name="complex-step",
        title="The imaginary part of one value with an imaginary step",
        kind=KIND,
        entry="zoo_basics.gradients.methods:ComplexStep",
        options={
            "step": Param(
                default=1e-100, help="imaginary step; nothing is subtracted, so it may be tiny", minimum=1e-300
            )
        },
        year=1998,
        paper="https://doi.org/10.1137/S003614459631241X",
    ),
)
