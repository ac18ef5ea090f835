"""The core of the zoo: the names that plugin authors import. It contains no task, and importing it imports no torch.

In a notebook or a script, `zoo_core` also runs the zoo: `import zoo_core as zoo; zoo.bench("mnist", model=MyNet)`.
"""

import os
import sys
from typing import TYPE_CHECKING

if sys.argv[:1] == ["-m"] and "zoo_core" in sys.orig_argv and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
    # `python -m zoo_core` searches the current folder before everything else: a file `random.py` or `torch.py` there
    # would run. Like `zoo`, it must not; plugins in the folder are still found.
    sys.path.append(sys.path.pop(0))

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
from zoo_core.protocols import Context, Data, Dataset, Evaluation, Exportable, Phase, Step, Stop, Table, Task
from zoo_core.recipe import Recipe
from zoo_core.specs import (
    Accepts,
    CommandSpec,
    DatasetSpec,
    Download,
    ExecutorSpec,
    LoggerSpec,
    ModelFamily,
    ModelSpec,
    Param,
    Params,
    Reference,
    Signature,
    TaskSpec,
)

API_NAMES = ("bench", "list_datasets", "list_models", "list_tasks")  # for scripts, not for plugins: not in `__all__`

if TYPE_CHECKING:
    from zoo_core.api import bench as bench
    from zoo_core.api import list_datasets as list_datasets
    from zoo_core.api import list_models as list_models
    from zoo_core.api import list_tasks as list_tasks
else:

    def __getattr__(name: str) -> object:
        """Import the functions of `zoo_core.api` at their first use: they need far more than a plugin does."""
        if name in API_NAMES:
            from zoo_core import api

            return getattr(api, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*__all__, *API_NAMES]


__version__ = "0.1.0"

__all__ = [
    "Accepts",
    "CommandSpec",
    "Context",
    "DamagedDataError",
    "Data",
    "DataUnavailableError",
    "Dataset",
    "DatasetSpec",
    "Download",
    "Evaluation",
    "ExecutorSpec",
    "Exportable",
    "IncompatibleError",
    "LoggerSpec",
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
    "Stop",
    "Table",
    "Task",
    "TaskSpec",
    "UnknownNameError",
    "UnknownSplitError",
    "WeightsError",
    "ZooError",
    "hookimpl",
]
