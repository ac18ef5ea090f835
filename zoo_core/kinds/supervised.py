"""The task body that the supervised kinds share; what differs between them is a `Objective`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.columns import Array
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.errors import IncompatibleError
from zoo_core.kinds import inputs
from zoo_core.kinds.features import Features, frozen_backbone, is_made_of_its_parts, rest_frozen_parts
from zoo_core.protocols import Context, Data, Evaluation, Phase, Step, Table
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec
from zoo_core.train import supervised_steps

EVALUATION_BATCH = 256
EVALUATION_VALUES = 1 << 21  # numbers in the inputs of a batch at most: of 512x512 grey images eight
FEATURES_BATCH = 64  # images through a frozen backbone at once
INITIAL_VALUES = 50_000_000  # numbers in them at most
INITIAL = 5000  # training examples that a model's `initialize` sees

Forward: TypeAlias = Callable[[Batch], Tensor]


class Objective(Protocol):
    """A kind's terms: what goes into a model, what its output costs, what the outputs score.

    A objective may also have:
        ready(model): called before the model is used.
        study(train): called once with the train split, before the model is.
        augment(recipe, ctx) -> a function of a training batch that gives another, or None.
        reduce(output, batch) -> Tensor (batch, ...): what `evaluate` needs of a batch's output, where the outputs of a
        whole split are too many to keep; `outputs` below are then these.
        pictures(look, outputs, truth) -> dict of name -> uint8 array (height, width, 3); `look(rows)` gives `x` of
        these rows of the test split, `look.outputs(rows)` the model's whole outputs for them.
        read(files, shape) -> a batch of a person's files, as the data hold them; answers(outputs, top) -> pairs of
        class and probability for each.
    """

    def inputs(self, batch: Batch) -> Tensor:
        """The argument of the model's forward."""

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss and the batch's score in the task's metric, both scalar."""

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        """Scores of a whole split: outputs (n, ...) of the model, and the split's columns but `x`."""


class Supervised:
    """A `Task` for columns `x` and `y`; see `Objective` for what a kind adds.

    A model may have `initialize(x)`, called once before the first step with the inputs of up to 5,000 training
    examples, for first weights that depend on the data; and a frozen `backbone`, whose features are computed once.
    """

    def __init__(self, spec: TaskSpec, make_objective: Callable[[Signature, Recipe, Context], Objective]) -> None:
        self.spec = spec
        self._make_objective = make_objective
        self._splits: dict[str, DeviceSplit] = {}
        self._backbone: nn.Module | None = None  # the one that `_features` were asked for
        self._features: Features | None = None
        self._featured: dict[str, DeviceSplit | None] = {}
        self._answers: tuple[nn.Module, str, Array, dict[str, Array]] | None = None  # of the last evaluation

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._objective = self._make_objective(data.signature, recipe, ctx)
        train = self._split(ctx, "train")
        if hasattr(self._objective, "study"):
            self._objective.study(train)

    def epoch_steps(self, recipe: Recipe) -> int:
        return self._splits["train"].steps(int(recipe.batch_size))

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        objective, split = self._objective, self._splits["train"]
        forward = self._through_all(model)
        rest_frozen_parts(model)
        if hasattr(model, "initialize"):
            self._initialize(model, split)
        augment = objective.augment(recipe, ctx) if hasattr(objective, "augment") else None
        if self._goes_by_features(ctx, model):
            yield Phase("features")
            featured, spent_s = self._featured_split("train")
            yield Phase("features", spent_s)
            if featured is not None:
                split, forward = featured, _through_head(model)

        def loss_and_score(_: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            batch = augment(batch) if augment else batch
            return objective.loss(forward(batch), batch)

        yield from supervised_steps(ctx, model, split, loss_and_score, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        forward = self._through_all(model)
        source = self._featured_split(split)[0] if self._goes_by_features(ctx, model) else None
        if source is not None:
            forward = _through_head(model)
        else:
            source = self._split(ctx, split)
        reduce = getattr(self._objective, "reduce", lambda output, _: output.float())
        outputs: list[Tensor] = []
        columns: dict[str, list[Tensor]] = {}
        for batch in source.in_order(_evaluation_batch(source)):
            outputs.append(reduce(forward(batch), batch))
            for name, values in batch.items():
                if name != "x":
                    columns.setdefault(name, []).append(values)
        found = torch.cat(outputs).cpu().numpy()
        others = {name: torch.cat(parts).cpu().numpy() for name, parts in columns.items()}
        self._answers = (model, split, found, others)
        return self._objective.evaluate(found, others)

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return self._objective.inputs(self._splits["train"].first(batch_size))

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        if not hasattr(self._objective, "pictures"):
            return {}
        if self._answers is None or self._answers[0] is not model or self._answers[1] != "test":
            self.evaluate(ctx, model, "test")
        assert self._answers is not None
        _, _, outputs, columns = self._answers

        look = RowReader(self._split(ctx, "test"), self._through_all(model))
        pictures: dict[str, np.ndarray[Any, Any]] = self._objective.pictures(look, outputs, columns["y"])
        return pictures

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
        """The model's answers to a person's files, without the data; see `protocols.Task`."""
        objective: Any = self._make_objective(signature, recipe, ctx)
        self._objective = objective
        if not hasattr(objective, "read"):
            raise IncompatibleError(f"models of kind {self.spec.kind} cannot answer files")
        batch, forward = objective.read(files, shape), self._through_all(model)
        parts = [forward({"x": part}) for part in torch.split(batch["x"], EVALUATION_BATCH)]
        outputs = torch.cat(parts).float()
        rows = [
            [str(path), answer, probability]
            for path, answers in zip(files, objective.answers(outputs.cpu().numpy(), top), strict=True)
            for answer, probability in answers
        ]
        return Table(["file", "class", "probability"], rows)

    def _through_all(self, model: nn.Module) -> Forward:
        if hasattr(self._objective, "ready"):
            self._objective.ready(model)
        return lambda batch: model(self._objective.inputs(batch))

    def _initialize(self, model: nn.Module, split: DeviceSplit) -> None:
        """Show the model inputs spread over all of train, in full precision."""
        size = split.first(1)["x"].numel()
        count = min(INITIAL, len(split), max(2, INITIAL_VALUES // size))
        some = torch.linspace(0, len(split) - 1, count).long()
        with torch.no_grad(), torch.autocast(split.device.type, enabled=False):
            cast(Any, model).initialize(self._objective.inputs(split.at(some)))

    def _goes_by_features(self, ctx: Context, model: nn.Module) -> bool:
        """Whether the model is a frozen backbone and a head, and nothing is augmented."""
        backbone = frozen_backbone(model)
        if backbone is None or (hasattr(self._objective, "augment") and self._objective.augment(self._recipe, ctx)):
            return False
        if self._backbone is not backbone:
            self._backbone, self._featured = backbone, {}
            self._features = self._features_of(ctx, model, backbone)
        return self._features is not None

    def _features_of(self, ctx: Context, model: nn.Module, backbone: nn.Module) -> Features | None:
        """Where the backbone's features are made and found; None where they would not train this model."""
        if not is_made_of_its_parts(model, self._objective.inputs(self._splits["train"].first(2))):
            ctx.log.warning("forward(x) is not head(backbone(x)): the backbone runs in every step")
            return None
        makers = (inspect.getfile(type(self._objective)), inputs.__file__)  # how inputs are made
        code = sha256(b"".join(Path(name).read_bytes() for name in makers)).hexdigest()
        identity = f"{self._data.identity} {self._data.signature} {self._recipe.get('normalize')} {code}"
        return Features(ctx, backbone, self._objective.inputs, identity, FEATURES_BATCH)

    def _split(self, ctx: Context, name: str) -> DeviceSplit:
        if name not in self._splits:
            self._splits[name] = DeviceSplit(self._data.split(name, holdout=self._recipe.holdout), ctx.device)
        return self._splits[name]

    def _featured_split(self, name: str) -> tuple[DeviceSplit | None, float]:
        """A split's features, None where they cannot be kept; and what they once cost."""
        assert self._features is not None
        if name in self._featured:
            return self._featured[name], 0.0
        made = self._features.of(name, self._data.split(name, holdout=self._recipe.holdout))
        self._featured[name] = made.split if made else None
        return self._featured[name], made.spent_s if made else 0.0


class RowReader:
    """Looks at single rows of a split, int (n,), for pictures."""

    def __init__(self, split: DeviceSplit, forward: Forward) -> None:
        self._split, self._forward = split, forward

    def __call__(self, rows: Sequence[int]) -> Array:
        """Their `x`."""
        return self._split.at(torch.as_tensor(rows))["x"].cpu().numpy()

    def outputs(self, rows: Sequence[int]) -> Array:
        """The model's outputs for them, all of each: for a few rows."""
        return self._forward(self._split.at(torch.as_tensor(rows))).float().cpu().numpy()


def _evaluation_batch(split: DeviceSplit) -> int:
    size = max(1, split.first(1)["x"].numel())
    return max(1, min(EVALUATION_BATCH, EVALUATION_VALUES // size))


def _through_head(model: nn.Module) -> Forward:
    head = cast(nn.Module, model.head)
    return lambda batch: head(batch["x"].float())
