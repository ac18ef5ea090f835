"""The description of a shared kind: one object that names everything the zoo knows of the kind. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo_core.entries import resolve_entry
from zoo_core.outputs import OutputForm
from zoo_core.specs import Params, Signature


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A shared kind: models of this kind fit every task of this kind, whichever plugins add them.

    A field that ends in `_entry` names a function as text, `package.module:name`. The zoo imports it on use, so that
    `zoo list` stays torch-free.

    What authors read and set:
        name, summary, version: as in a spec. interface: the whole contract between data, model and task, as text.
        recipe: the hyper-parameters of the kind's tasks.
    The task:
        task_entry: entry of `task(spec) -> Task`, which makes the kind's tasks.
        takes_images: inputs are images (channels, height, width), which `adapted_signature` adapts to the model.
        scored_apart: the scores follow from the column `x` of `test`, the model and then the other columns. So the
            model predicts before the labels are opened, and another process scores the predictions.
        resizes_images: images are also resized, to the recipe's `image_size` or the model's only size.
    The model:
        output_shape_entry: entry of `shape(x, outputs) -> tuple`, the shape of forward's output for its inputs `x`;
            `output_values`: its numbers in a word. `output_form` makes the contract from both, which every training,
            evaluation and check requires.
    What `zoo check` uses:
        metric, higher_is_better: of a task on drawn examples. example_shape: of one drawn input.
        max_overfit_loss_share: a model must bring the loss on a few examples down to this share of the first loss.
        draw_entry: entry of `draw(signature, count, seed) -> Columns`, examples that are easy to learn.
        smallest_model_entry: entry of `model(signature) -> nn.Module`.
        perfect_and_wrong_entry: entry of `make(targets, outputs) -> (perfect, wrong)`: model outputs that predict
            the targets, and outputs that are wrong for every example.
    What `zoo new` uses:
        templates: the package whose folder `templates` holds `form.toml`, `data.template`, `build.template` and, for a
            data set of files, `dataset.py.template`; empty if `zoo new` does not offer the kind.
    """

    name: str
    summary: str
    interface: str
    version: int = 1
    recipe: Params = field(default_factory=dict)
    task_entry: str
    takes_images: bool = False
    resizes_images: bool = False
    output_shape_entry: str
    output_values: str = "logits"
    scored_apart: bool = False
    metric: str
    higher_is_better: bool
    example_shape: tuple[int, ...]
    max_overfit_loss_share: float = 0.1
    draw_entry: str
    smallest_model_entry: str
    perfect_and_wrong_entry: str
    templates: str = ""

    def output_form(self, signature: Signature) -> OutputForm:
        """Return what the forward of a model returns that was built for the signature."""
        shape = resolve_entry(self.output_shape_entry)
        outputs = signature.outputs or len(signature.classes) or 1
        return OutputForm(kind=self.name, shape=lambda x: shape(x, outputs), values=self.output_values)


def by_name(*kinds: Kind) -> Mapping[str, Kind]:
    """Map each kind's name to the kind."""
    return {kind.name: kind for kind in kinds}
