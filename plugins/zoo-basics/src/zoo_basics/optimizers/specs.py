"""The task `optimizers`, its test functions as data sets, and the optimizers as models. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, Param, Params, Signature, TaskSpec

KIND = "zoo-basics/minimisation"
# Chance level: the mean log10 of the excess at the starting points of test; `test_optimizers.py` computes them again.
CHANCES = {
    "quadratic-1": 0.03,
    "quadratic-100": 1.62,
    "quadratic-10000": 3.27,
    "rosenbrock": 2.18,
    "rastrigin": 1.38,
    "small-net": 0.49,
}
TITLES = {
    "quadratic-1": "A round bowl",
    "quadratic-100": "A valley: a quadratic of condition 100, turned by 30 degrees",
    "quadratic-10000": "A narrow valley: a quadratic of condition 10,000, turned by 30 degrees",
    "rosenbrock": "Rosenbrock's bent valley",
    "rastrigin": "Rastrigin's function: a bowl with many local minima",
    "small-net": "The loss of a net with 25 weights, whose targets come from a net of the same form",
}
FUNCTIONS = tuple(TITLES)
MAX_SIZE = 25  # coordinates of a point; functions of fewer read the first

TASK = TaskSpec(
    name="optimizers",
    title="Optimizers on test functions",
    summary="Find the minimum of a known function with a fixed number of function evaluations.",
    kind=KIND,
    datasets=("test-functions", *FUNCTIONS),
    metric="log10_excess",
    higher_is_better=False,
    chance=round(sum(CHANCES.values()) / len(CHANCES), 2),
    target=-3.0,
    unit="evaluations",
    recipe={
        "steps": 9,
        "holdout": False,  # there is nothing to select on val
        "evaluations": Param(default=300, help="function evaluations of one run", minimum=20),
        "gradient_cost": Param(
            default=3, help="evaluations that a value with its gradient counts as", minimum=1, maximum=100
        ),
        "noise": Param(
            default=0.1,
            help="of noisy gradients: std of each entry, as a share of the gradient's norm at the start",
            minimum=0.0,
        ),
    },
    quick={"steps": 5, "evaluations": 90},
    entry="zoo_basics.optimizers.task:Minimisation",
)


def _dataset(name: str, title: str, functions: tuple[str, ...]) -> DatasetSpec:
    chance = sum(CHANCES[function] for function in functions) / len(functions)
    return DatasetSpec(
        name=name,
        title=title,
        origin="exact",
        licence="CC0-1.0",
        signature=Signature(
            input_shape=(MAX_SIZE,),
            outputs=len(functions),
            extra={"functions": list(functions), "chance": {TASK.metric: round(chance, 2)}},
        ),
        entry="zoo_basics.optimizers.data:Starts",
    )


DATASETS = (
    _dataset("test-functions", "All six test functions", FUNCTIONS),
    *(_dataset(name, title, (name,)) for name, title in TITLES.items()),
)

_RATE: Params = {
    "lowest": Param(default=1e-4, help="smallest learning rate that is tried", minimum=1e-12),
    "highest": Param(default=1.0, help="largest learning rate that is tried", minimum=1e-12),
}
_STD: Params = {
    "lowest": Param(default=0.01, help="smallest first standard deviation that is tried", minimum=1e-12),
    "highest": Param(default=1.0, help="largest first standard deviation that is tried", minimum=1e-12),
}
_MOMENTUM = Param(default=0.9, help="of the sum of earlier gradients", minimum=0.0, maximum=1.0)


def _model(name: str, title: str, entry: str, options: Params, **facts: object) -> ModelSpec:
    entry = f"zoo_basics.optimizers.models.{entry}"
    return ModelSpec(name=name, title=title, kind=KIND, entry=entry, options=options, **facts)  # type: ignore[arg-type]


MODELS = (
    _model(
        "random-search",
        "Random steps from the best point so far",
        "sampling:RandomSearch",
        _STD,
        year=1965,
        paper="https://doi.org/10.1109/TAC.1965.1098092",
    ),
    _model(
        "cem",
        "The cross-entropy method: a normal distribution moves to its best samples",
        "sampling:CrossEntropy",
        {
            **_STD,
            "population": Param(default=12, help="samples of a generation", minimum=2),
            "elite": Param(default=4, help="samples that the next generation is fitted to", minimum=1),
        },
        year=1999,
        paper="https://doi.org/10.1023/A:1010091220143",
    ),
    _model(
        "cma-es",
        "CMA-ES, of the library cma: the distribution also learns its shape",
        "cma_es:CmaEs",
        _STD,
        quick={"steps": 3},
        year=2001,
        paper="https://doi.org/10.1162/106365601750190398",
    ),
    _model("gd", "Gradient descent, with the whole gradient", "gradient:gradient_descent", _RATE),
    _model("sgd", "Stochastic gradient descent: noisy gradients", "gradient:stochastic", _RATE),
    _model(
        "momentum",
        "Gradient descent with momentum (the heavy ball)",
        "gradient:momentum",
        {**_RATE, "momentum": _MOMENTUM},
        year=1964,
        paper="https://doi.org/10.1016/0041-5553(64)90137-5",
    ),
    _model(
        "nesterov",
        "Nesterov's accelerated gradient",
        "gradient:nesterov",
        {**_RATE, "momentum": _MOMENTUM},
        year=1983,
    ),
    _model(
        "adagrad", "Adagrad", "gradient:adagrad", _RATE, year=2011, paper="https://jmlr.org/papers/v12/duchi11a.html"
    ),
    _model("rmsprop", "RMSprop", "gradient:rmsprop", _RATE, year=2012),
    _model("adam", "Adam", "gradient:adam", _RATE, year=2014, paper="arXiv:1412.6980"),
    _model("adamw", "Adam with decoupled weight decay", "gradient:adamw", _RATE, year=2017, paper="arXiv:1711.05101"),
    _model(
        "lbfgs",
        "L-BFGS with a line search: the curvature from the last gradients",
        "gradient:Lbfgs",
        {**_RATE, "history": Param(default=10, help="gradients that are kept", minimum=1)},
        quick={"steps": 3},
        year=1989,
        paper="https://doi.org/10.1007/BF01589116",
    ),
)
