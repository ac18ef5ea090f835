"""`Supervised`, the task of the supervised kinds. They differ only in their `Objective`."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.columns import Array, Ragged, Split
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.entries.codehash import code_sha256
from zoo_core.errors import IncompatibleError, PluginError
from zoo_core.kinds import KINDS, inputs
from zoo_core.kinds.evaluation import MAX_EVALUATION_BATCH, run_over
from zoo_core.kinds.exporting import supervised_export
from zoo_core.kinds.features import (
    Features,
    SplitFeatures,
    freeze_norm_and_dropout,
    frozen_backbone,
    is_head_of_backbone,
)
from zoo_core.kinds.names import find_renamed
from zoo_core.kinds.objective import (
    OBJECTIVE_PROTOCOLS,
    Forward,
    HasAugment,
    HasBlockInputs,
    HasObjectivePictures,
    HasOutputShape,
    HasReady,
    HasStudy,
    Objective,
    RowReader,
    give_own_loss,
    predictor,
)
from zoo_core.optional import refuse_misspelt_methods
from zoo_core.outputs import FiniteOutputs, OutputForm
from zoo_core.protocols import Context, Data, Evaluation, Exportable, Phase, Step, Table
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec
from zoo_core.train import Score, epoch_steps, supervised_steps

FEATURES_BATCH = 64  # examples that go through a frozen backbone at once
MAX_INITIAL_EXAMPLES = 5000  # training examples that a model's `initialize` gets
MAX_INITIAL_VALUES = 50_000_000  # numbers in the inputs that `initialize` gets
INPUTS = "inputs of the model"  # a column that no data set has


class Supervised:
    """A task for data with a column `x`, and usually `y`: `Supervised(spec, make_objective)`.

    `make_objective(signature, recipe, ctx)` returns the `Objective`, which owns inputs, loss and scores. `Supervised`
    moves the data to the device, trains with `supervised_steps`, and evaluates. Every output of the model must have the
    form that the kind or the objective states (`output_form`).

    A model may have a method `initialize(x)`, for initial weights that depend on the data. It is called once before
    the first step, with the inputs of up to 5,000 training examples. If a model has a `head` and a `backbone` without
    trainable parameters, the backbone's features are computed once. If a model has a `loss`, a method or a module, it
    replaces the kind's: see `TakesLoss`.
    """

    def __init__(self, spec: TaskSpec, make_objective: Callable[[Signature, Recipe, Context], Objective]) -> None:
        self.spec = spec
        self._make_objective = make_objective
        maker = make_objective.func if isinstance(make_objective, functools.partial) else make_objective
        if isinstance(maker, type):
            self._refuse_misspelt(maker)
        self._splits: dict[str, DeviceSplit] = {}
        # The last model that the objective's `ready` prepared; a weak reference keeps no warm-up model in memory.
        self._ready_model: weakref.ref[nn.Module] | None = None
        self._backbone: nn.Module | None = None  # the backbone that `_features` belong to
        self._features: Features | None = None
        self._feature_splits: dict[str, DeviceSplit | None] = {}
        self._last_outputs: _Outputs | None = None
        self._form: OutputForm | None = None

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        """Create the objective and move the train split to the device."""
        self._data, self._recipe = data, recipe
        self._set_objective(data.signature, recipe, ctx)
        self._ready_model = None
        train = self._split(ctx, "train")
        if isinstance(self._objective, HasStudy):
            self._objective.study(train)

    def epoch_steps(self, recipe: Recipe) -> int:
        """Return the optimizer steps of one pass over train."""
        return epoch_steps(self._splits["train"], recipe)

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        """Take `recipe.steps` steps; first compute the features of a frozen backbone."""
        objective, split, forward = self._objective, self._splits["train"], self._forward_from_columns(model)
        self._backbone = None  # an earlier evaluation has set it up outside of the training's clock, which counts it
        self._make_ready(model)
        give_own_loss(objective, model, recipe, self.spec.kind)
        freeze_norm_and_dropout(model)
        if hasattr(model, "initialize"):
            self._initialize(model, split)
        augment = objective.augment(recipe, ctx) if isinstance(objective, HasAugment) else None
        features = self._prepare_features(ctx, model)
        if features is not None:
            # The first Phase gives a name to the time that computing takes. The second adds the time that features
            # from the cache once took, which is known only now.
            yield Phase("features")
            train_features = self._split_features(features, "train")
            yield Phase("features", train_features.spent_s if train_features else 0.0)
            if train_features is not None:
                split, forward = train_features.split, self._forward_from_features(model)
        if augment is None and split is self._splits["train"] and isinstance(objective, HasBlockInputs):
            split, forward = self._with_inputs(split, objective), self._forward_from_block_inputs(model)

        def loss_and_score(_: nn.Module, batch: Batch) -> tuple[Tensor, Score]:  # `forward` already has the model
            batch = augment(batch) if augment else batch
            return objective.loss(forward(batch), batch)

        yield from supervised_steps(ctx, model, split, loss_and_score, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        """Score the model on a split; the outputs are kept for `pictures`."""
        outputs, columns = self._run(ctx, model, split)
        self._last_outputs = _Outputs(model, split, outputs, columns)
        return self._objective.evaluate(outputs, columns)

    def output_form(self) -> OutputForm | None:
        """Return what forward returns, by the kind or else by the objective; None if neither states it."""
        return self._form

    def outputs(self, ctx: Context, model: nn.Module, split: str) -> Array:
        """Return the model's outputs (n, ...) for the column `x` of a split, without opening the other columns."""
        return self._run(ctx, model, split)[0]

    def score(self, outputs: Array, split: str, model: nn.Module | None = None) -> Evaluation:
        """Score the outputs (n, ...) of a split. They are kept for the `pictures` of the model that made them."""
        columns = other_columns(self._data.split(split, holdout=self._recipe.holdout))
        if model is not None:
            self._last_outputs = _Outputs(model, split, outputs, columns)
        return self._objective.evaluate(outputs, columns)

    def _run(self, ctx: Context, model: nn.Module, split: str) -> tuple[Array, dict[str, Array]]:
        """Return the outputs (n, ...) for a split, and its columns that were opened, except `x`."""
        # An average of the trained model's weights, for example, is another model, which `ready` has not seen.
        if self._ready_model is None or model is not self._ready_model():
            self._make_ready(model)
        features = self._prepare_features(ctx, model)
        split_features = self._split_features(features, split) if features is not None else None
        if split_features is not None:
            forward, source = self._forward_from_features(model), split_features.split
        else:
            forward, source = self._forward_from_columns(model), self._split(ctx, split)
        return run_over(source, forward, self._objective, split=split, kind=self.spec.kind)

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        """Return the model's input for the first training examples."""
        return self._objective.inputs(self._splits["train"].first(batch_size))

    def exportable(self, ctx: Context, model: nn.Module) -> Exportable:
        """Return the model with the objective's preprocessing; see `zoo_core.optional.HasExportable`."""
        self._make_ready(model)
        split, forward = self._split(ctx, "test"), self._forward_from_columns(model)
        return supervised_export(model, self._objective, self._form, split, forward)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Return the objective's pictures of the test split. Raises PluginError if the data have no column `y`."""
        objective = self._objective
        if not isinstance(objective, HasObjectivePictures):
            return {}
        last = self._last_outputs
        if last is None or last.model is not model or last.split != "test":
            self.evaluate(ctx, model, "test")
            last = self._last_outputs
        assert last is not None
        if "y" not in last.columns:
            raise PluginError(
                f"task {self.spec.qualified}: its objective {type(objective).__name__} has `pictures`, which needs a "
                f"column `y`; the data have none. Remove `pictures`, or override `Supervised.pictures`"
            )
        read_rows = RowReader(self._split(ctx, "test"), self._forward_from_columns(model))
        return dict(objective.pictures(read_rows, last.outputs, last.columns["y"]))

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
        """Return the `top` classes of each file, by default one; see `zoo_core.optional.HasPredict`."""
        objective: Any = self._set_objective(signature, recipe, ctx)
        name_predictions = predictor(objective)
        if name_predictions is None:
            raise IncompatibleError(
                f"models of kind {self.spec.kind} cannot predict files: the objective has no `read` and `predictions`"
            )
        batch = objective.read(files, shape)
        self._make_ready(model)
        forward = self._forward_from_columns(model)
        parts = [forward({"x": part}) for part in torch.split(batch["x"], MAX_EVALUATION_BATCH)]
        finite = FiniteOutputs()
        for part in parts:
            finite.add(part)
        finite.require("files")
        outputs = torch.cat(parts).float().cpu().numpy()
        rows = [
            [str(path), name, probability]
            for path, predictions in zip(files, name_predictions(outputs, top or 1), strict=True)
            for name, probability in predictions
        ]
        return Table(["file", "class", "probability"], rows)

    def image_inputs(
        self, ctx: Context, model: nn.Module, signature: Signature, recipe: Recipe, images: Array
    ) -> Tensor:
        """Return the model's inputs for raw images; see `zoo_core.optional.HasImageInputs`."""
        objective = self._make_objective(signature, recipe, ctx)
        if isinstance(objective, HasReady):
            objective.ready(model)
        return objective.inputs({"x": torch.from_numpy(images).to(ctx.device)})

    def _set_objective(self, signature: Signature, recipe: Recipe, ctx: Context) -> Objective:
        """Make the objective, and find out what forward returns."""
        objective = self._objective = self._make_objective(signature, recipe, ctx)
        self._refuse_misspelt(type(objective))
        self._form = None
        if self.spec.kind in KINDS:
            self._form = KINDS[self.spec.kind].output_form(signature)
        elif isinstance(objective, HasOutputShape):
            self._form = OutputForm(kind=self.spec.kind, shape=objective.output_shape)
        return objective

    def _refuse_misspelt(self, owner: type) -> None:
        label = f"task {self.spec.qualified}: its objective {owner.__name__}"
        refuse_misspelt_methods(label, owner, OBJECTIVE_PROTOCOLS)

    def _make_ready(self, model: nn.Module) -> None:
        """Let the objective prepare the model, for example change its memory layout."""
        if isinstance(self._objective, HasReady):
            self._objective.ready(model)
        self._ready_model = weakref.ref(model)

    def _forward_from_columns(self, model: nn.Module) -> Forward:
        """Return the forward pass from a batch of columns to the model's outputs, which have the kind's form."""
        inputs, forward = self._objective.inputs, self._forward(model)
        return lambda batch: forward(inputs(batch))

    def _forward(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """Return the forward pass from the model's inputs to its outputs, which have the kind's form."""
        if self._form is None:
            return model
        require = self._form.require

        def forward(x: Tensor) -> Tensor:
            output: Tensor = model(x)
            require(output, x)
            return output

        return forward

    @staticmethod
    def _with_inputs(split: DeviceSplit, objective: HasBlockInputs) -> DeviceSplit:
        """Return the split with the model's inputs as another column, which are made for many batches at once."""
        return split.converted(lambda block: {**block, INPUTS: objective.block_inputs(block)})

    def _forward_from_block_inputs(self, model: nn.Module) -> Forward:
        """Return the forward pass from a batch of `_with_inputs` to the model's outputs."""
        forward = self._forward(model)
        return lambda batch: forward(batch[INPUTS])

    def _forward_from_features(self, model: nn.Module) -> Forward:
        """Return the forward pass from a batch of features, column `x`, to the model's outputs."""
        head = cast(nn.Module, model.head)
        form = self._form
        if form is not None:
            form = form.fixed_for(self._objective.inputs(self._splits["train"].first(2)))

        def forward(batch: Batch) -> Tensor:
            x = batch["x"].float()
            output: Tensor = head(x)
            if form is not None:
                form.require(output, x)
            return output

        return forward

    def _initialize(self, model: nn.Module, split: DeviceSplit) -> None:
        """Call the model's `initialize` with inputs spread over all of train, in full precision."""
        size = split.first(1)["x"].numel()
        count = min(MAX_INITIAL_EXAMPLES, len(split), max(2, MAX_INITIAL_VALUES // size))
        rows = torch.linspace(0, len(split) - 1, count).long()
        with torch.no_grad(), torch.autocast(split.device.type, enabled=False):
            cast(Any, model).initialize(self._objective.inputs(split.at(rows)))

    def _prepare_features(self, ctx: Context, model: nn.Module) -> Features | None:
        """Set up the features of the model's frozen backbone; None if the backbone must run in every step.

        It must if it is trained, if images are augmented, or if forward is not head(backbone(x)). The features of the
        last backbone are kept.
        """
        backbone, objective = frozen_backbone(model), self._objective
        if backbone is None or (isinstance(objective, HasAugment) and objective.augment(self._recipe, ctx)):
            return None
        if self._backbone is not backbone:
            self._backbone, self._feature_splits = backbone, {}
            self._features = self._new_features(ctx, model, backbone)
        return self._features

    def _new_features(self, ctx: Context, model: nn.Module, backbone: nn.Module) -> Features | None:
        """Make the object that computes the backbone's features; None if forward is not head(backbone(x))."""
        if not is_head_of_backbone(model, self._objective.inputs(self._splits["train"].first(2))):
            ctx.log.warning("forward(x) is not head(backbone(x)): the backbone runs in every step")
            return None
        maker = type(self._objective)  # its code, with what it imports, makes the inputs
        code = code_sha256(f"{maker.__module__}:{maker.__name__}") + code_sha256(f"{inputs.__name__}:")
        identity = f"{self._data.identity} {self._data.signature} {self._recipe.get('normalize')} {code}"
        return Features(ctx, backbone, self._objective.inputs, identity, FEATURES_BATCH)

    def _split_features(self, features: Features, name: str) -> SplitFeatures | None:
        """Return the features of a split, which stay on the device; None if they cannot be kept."""
        if name in self._feature_splits:
            known = self._feature_splits[name]
            return None if known is None else SplitFeatures(known, 0.0)
        computed = features.of_split(name, self._data.split(name, holdout=self._recipe.holdout))
        self._feature_splits[name] = computed.split if computed else None
        return computed

    def _split(self, ctx: Context, name: str) -> DeviceSplit:
        """Return a split on the device."""
        if name not in self._splits:
            self._splits[name] = DeviceSplit(self._data.split(name, holdout=self._recipe.holdout), ctx.device)
        return self._splits[name]


@dataclass(frozen=True, slots=True)
class _Outputs:
    """The result of an evaluation: outputs (n, ...), reduced by the objective, and all columns except `x`."""

    model: nn.Module
    split: str
    outputs: Array
    columns: dict[str, Array]


def other_columns(split: Split) -> dict[str, Array]:
    """Return the columns of numbers of a split except `x`, as a batch of all its examples would have them."""
    rows = slice(None) if split.rows is None else split.rows
    found: dict[str, Array] = {}
    for name, column in split.columns.items():
        if isinstance(column, Ragged):
            found[f"{name}_lengths"] = np.diff(column.offsets)[rows]
        elif name != "x" and column.dtype.kind in "biuf":
            found[name] = column[rows]
    return found


def __getattr__(name: str) -> object:
    entries = {"Treaty": "zoo_core.kinds.objective:Objective", "Look": "zoo_core.kinds.objective:RowReader"}
    return find_renamed(__name__, name, entries)
