"""The description of a shared kind: one object that names everything the zoo knows of the kind. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo_core.specs import Params


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A shared kind: models of this kind fit every task of this kind, whichever plugins add them.

    Code is named by entries `package.module:name`, which are imported on use, so that `zoo list` stays torch-free.

    What authors read and set:
        name, summary, version: as in a spec. interface: the whole contract between data, model and task, as text.
        recipe: the hyper-parameters of the kind's tasks.
    The task:
        entry: `entry(spec) -> Task`, the task body that the kind's tasks share.
        takes_images: inputs are images (channels, height, width), which `adapted_signature` adapts to the model.
        resizes_images: images are also resized, to the recipe's `image_size` or the model's only size.
    What `zoo check` uses:
        metric, higher_is_better: of a task on drawn examples. example_shape: of one drawn input.
        max_overfit_loss: the share of the first loss that a model must reach on a few examples.
        draw: `draw(signature, count, seed) -> Columns`, examples that are easy to learn.
        smallest_model: `smallest_model(signature) -> nn.Module`.
        output_shape: `output_shape(x, outputs) -> tuple`, the shape that a model must return for the batch `x`.
        plant: `plant(targets, outputs) -> (right, wrong)`, model outputs that are perfect, and wrong everywhere.
    What `zoo new` uses:
        templates: the package whose folder `templates` holds `form.toml`, `data.template`, `build.template` and, for a
        data set of files, `dataset.py.template`; empty if `zoo new` does not offer the kind.
    """

    name: str
    summary: str
    interface: str
    version: int = 1
    recipe: Params = field(default_factory=dict)
    entry: str
    takes_images: bool = False
    resizes_images: bool = False
    metric: str
    higher_is_better: bool
    example_shape: tuple[int, ...]
    max_overfit_loss: float = 0.1
    draw: str
    smallest_model: str
    output_shape: str
    plant: str
    templates: str = ""


def by_name(*kinds: Kind) -> Mapping[str, Kind]:
    """Map each kind's name to the kind."""
    return {kind.name: kind for kind in kinds}
