"""The core of the zoo: what plugin authors import. It knows no task, and importing it imports no torch."""

from zoo_core.errors import (
    DamagedDataError,
    DataUnavailableError,
    IncompatibleError,
    RecipeError,
    UnknownNameError,
    UnknownSplitError,
    WeightsError,
    ZooError,
)
from zoo_core.hookspecs import hookimpl
from zoo_core.protocols import Context, Dataset, Evaluation, Phase, Step, Table, Task
from zoo_core.recipe import Recipe
from zoo_core.specs import (
    Accepts,
    CommandSpec,
    DatasetSpec,
    Download,
    ModelFamily,
    ModelSpec,
    Param,
    Params,
    Reference,
    Signature,
    TaskSpec,
)

__version__ = "0.1.0"

__all__ = [
    "Accepts",
    "CommandSpec",
    "Context",
    "DamagedDataError",
    "DataUnavailableError",
    "Dataset",
    "DatasetSpec",
    "Download",
    "Evaluation",
    "IncompatibleError",
    "ModelFamily",
    "ModelSpec",
    "Param",
    "Params",
    "Phase",
    "Recipe",
    "RecipeError",
    "Reference",
    "Signature",
    "Step",
    "Table",
    "Task",
    "TaskSpec",
    "UnknownNameError",
    "UnknownSplitError",
    "WeightsError",
    "ZooError",
    "hookimpl",
]
