"""The core of the zoo: what plugin authors import. It knows no task, and importing it imports no torch.

In a notebook or a script it is also the zoo itself: `import zoo_core as zoo; zoo.bench("mnist", model=MyNet)`.
"""

from typing import TYPE_CHECKING

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

DOORS = ("bench", "list_datasets", "list_models", "list_tasks")  # not for plugins, so not in `__all__`

if TYPE_CHECKING:
    from zoo_core.api import bench as bench
    from zoo_core.api import list_datasets as list_datasets
    from zoo_core.api import list_models as list_models
    from zoo_core.api import list_tasks as list_tasks
else:

    def __getattr__(name: str) -> object:
        """What runs the zoo is imported when it is asked for: it is far more than a plugin needs."""
        if name in DOORS:
            from zoo_core import api

            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*__all__, *DOORS]


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
