"""The task `matmul`, its sizes and implementations. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, Param, Signature, TaskSpec

KIND = "zoo-basics/matrix-product"

TASK = TaskSpec(
    name="matmul",
    title="Products of matrices",
    summary="Multiply two matrices as fast as possible, from 10x10 to 2,000x2,000 numbers. Nothing is trained.",
    kind=KIND,
    datasets=("matrix-sizes",),
    metric="gflops",
    higher_is_better=True,
    chance=0.0,
    target=10.0,
    unit="products",
    recipe={
        "steps": 1,
        "holdout": False,  # there is nothing to select on val
        "max_size": Param(default=2000, help="leave out matrices with more rows or columns", minimum=10),
        "repeats": Param(default=7, help="timed repeats of each case", minimum=2),
        "limit_s": Param(
            default=0.5,
            help="of an implementation that takes longer for a product, only as many rows are timed as fit",
            minimum=0.0001,
        ),
    },
    expected_failures={"other-seed": "nothing is trained, so there is nothing for a seed to change"},
    quick={"max_size": 1000, "repeats": 4, "limit_s": 0.01},
    entry="zoo_basics.products.task:Products",
)

DATASETS = (
    DatasetSpec(
        name="matrix-sizes",
        title="Sizes of matrices, in float32 and float64, with the course's 100x1000 by its transpose's form",
        origin="exact",
        licence="CC0-1.0",
        signature=Signature(input_shape=(4,)),
        entry="zoo_basics.products.data:Sizes",
    ),
)


def _model(name: str, title: str, function: str, **failures: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=title,
        kind=KIND,
        entry=f"zoo_basics.products.models:{function}",
        expected_failures={check.replace("_", "-"): why for check, why in failures.items()},
    )


MODELS = (
    _model("numpy", "numpy's `a @ b`", "Numpy"),
    _model("torch", "torch's `a @ b`", "Torch"),
    _model("einsum", 'torch.einsum("ij,jk->ik", a, b)', "Einsum"),
    _model(
        "torch-compile",
        "torch's `a @ b`, compiled by torch.compile",
        "Compiled",
        no_stray_files="torch.compile keeps what it compiled in the folder for temporary files",
    ),
    _model("python", "Three loops over Python's lists", "PythonLoops"),
)
