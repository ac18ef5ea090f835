"""The optional methods of a task, one Protocol each, and the check that refuses misspelt names. Torch-free.

Test for a method with `isinstance(task, HasEpochSteps)`. The class must define it: from Python 3.12 on, a method that
only `__getattr__` supplies does not count. `zoo_core.kinds.objective` does the same for objectives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo_core.errors import MisspeltMethodError
from zoo_core.protocols import Context, Exportable, Table, Task

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from zoo_core.outputs import OutputForm
    from zoo_core.recipe import Recipe
    from zoo_core.specs import Signature

MIN_SIMILARITY = 0.9  # of two names, as difflib counts it: `picture` and `pictures` have 0.93


@runtime_checkable
class HasEpochSteps(Protocol):
    """A task whose training length can be given in epochs."""

    def epoch_steps(self, recipe: Recipe) -> int:
        """Return the optimizer steps of one pass over train.

        Without this method, a recipe must set `steps`, or the trial fails with RecipeError. A budget needs neither.
        """


@runtime_checkable
class HasExampleInput(Protocol):
    """A task whose models can be measured: latency, FLOPs, the check `onnx`."""

    def example_input(self, ctx: Context, batch_size: int) -> Any:
        """Return the argument of the model's forward for a batch of `batch_size` examples."""


@runtime_checkable
class HasExportable(Protocol):
    """A task whose models can be exported with their preprocessing: `zoo export`."""

    def exportable(self, ctx: Context, model: nn.Module) -> Exportable:
        """Return what a file of the model must hold. Test is open, and `ctx.device` is the CPU.

        `TaskSpec.export` may name a function that does this instead.
        """


@runtime_checkable
class HasOutputForm(Protocol):
    """A task that states what its models return, for `zoo check` and for the try-out of a model before a run."""

    def output_form(self) -> OutputForm | None:
        """Return what forward returns for an example input, or None if that is not known. The task requires it too."""


@runtime_checkable
class HasPictures(Protocol):
    """A task that shows its results."""

    def pictures(self, ctx: Context, model: nn.Module) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return pictures by name: uint8 (height, width, 3)."""


@runtime_checkable
class HasTexts(Protocol):
    """A task that shows texts that its models write."""

    def texts(self, ctx: Context, model: nn.Module) -> Mapping[str, str]:
        """Return texts by name, of any characters, of up to 64 KiB each. They are shown as text, never as markup."""


@runtime_checkable
class HasPredict(Protocol):
    """A task whose models can predict local files: `zoo predict`."""

    def predict(
        self,
        ctx: Context,
        model: nn.Module,
        signature: Signature,
        shape: tuple[int | None, ...],
        recipe: Recipe,
        files: Sequence[Path],
        top: int,
    ) -> Table:
        """Return `top` predictions for each file, best first; with 0, as many as suit the task, such as one class.

        `zoo predict` opens no data.
        signature: the one that the model was built for. shape: of one example of the data that it was trained on.
        """


@runtime_checkable
class HasPredictionPictures(Protocol):
    """A task that draws its predictions for local files: `zoo predict --pictures`."""

    def prediction_pictures(
        self, files: Sequence[Path], signature: Signature, table: Table
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Return a picture of each file, in order, with what `predict` returned in `table` for these files.

        Shapes: uint8 (height, width, 3), any size. signature: as in `predict`.
        """


@runtime_checkable
class HasImageInputs(Protocol):
    """A task whose inputs are images, so that its models can be looked into: `zoo inspect`, `zoo bench --inspect`."""

    def image_inputs(
        self, ctx: Context, model: nn.Module, signature: Signature, recipe: Recipe, images: np.ndarray[Any, Any]
    ) -> Tensor:
        """Return the argument of the model's forward for raw images, and prepare the model, such as its memory layout.

        Shapes: images uint8 (n, channels, height, width) -> (n, channels, height, width), on the device.
        The task may have opened no data. signature: the one that the model was built for.
        """


TASK_PROTOCOLS: tuple[type, ...] = (
    Task,
    HasEpochSteps,
    HasExampleInput,
    HasExportable,
    HasOutputForm,
    HasPictures,
    HasTexts,
    HasPredict,
    HasPredictionPictures,
    HasImageInputs,
)


def refuse_misspelt_methods(label: str, owner: type, protocols: Iterable[type]) -> None:
    """Refuse a class with a public method whose name is nearly that of a method of the protocols.

    The zoo would ignore such a method, for example `epoch_step`. A class that defines the right name too is accepted,
    and so is a name that continues the right one, such as `prepared`.
    `label` names the class in the message. Raises MisspeltMethodError, which suggests the right name.
    """
    import difflib  # slow to import, and `zoo list` does not need it

    known = {name for protocol in protocols for name in vars(protocol) if not name.startswith("_")}
    for definer in owner.__mro__:
        missing = sorted(known - set(vars(definer)))
        for name, member in vars(definer).items():
            if name.startswith("_") or name in known or not callable(member):
                continue
            near = difflib.get_close_matches(name, missing, n=1, cutoff=MIN_SIMILARITY)
            if near and (not name.startswith(near[0]) or name == f"{near[0]}s"):
                raise MisspeltMethodError(f"{label} has a method `{name}`: did you mean `{near[0]}`?")
