"""A frozen backbone runs once over a split. Its features are cached, and training on them gives the same results."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor, nn

from zoo_core.columns import Split
from zoo_core.errors import DivergedError
from zoo_core.kinds import KINDS
from zoo_core.kinds.features import Features, frozen_backbone
from zoo_core.kinds.image_classification import image_classification_task
from zoo_core.measure.randomness import evaluation_mode, seed_everything
from zoo_core.protocols import Context, Evaluation, Phase, Step
from zoo_core.recipe import RUNNER_PARAMS, Recipe, as_param, resolve_recipe
from zoo_core.specs import Signature, TaskSpec
from zoo_core.transfer import Transfer

SIZES = {"train": 22, "val": 7, "test": 9}
SPEC = TaskSpec(
    name="t",
    title="T",
    summary="S",
    kind="image-classification",
    datasets=("d",),
    metric="accuracy",
    higher_is_better=True,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost these tiny nets a second a training on busy cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Images:
    """Open data with two classes, bright and dark: the `Data` of a task."""

    def __init__(self, identity: str = "images-v1") -> None:
        self.identity = identity
        self.signature = Signature(input_shape=(1, 4, 4), outputs=2, mean=(0.5,), std=(0.3,))

    def split(self, name: str, *, holdout: bool = True) -> Split:
        size = SIZES[name]
        labels = np.arange(size) % 2
        levels = np.random.default_rng(SIZES[name]).integers(0, 156, (size, 1, 4, 4)) + 100 * labels.reshape(
            -1, 1, 1, 1
        )
        columns = {"x": levels.astype(np.uint8), "y": labels, "group": np.arange(size) // 2}
        return Split(columns) if holdout or name != "train" else Split(columns, np.arange(size - 2))


CHECKED = 4  # two examples, through the whole and through its parts


class Backbone(nn.Module):
    """Four features of an image; counts the images that it has seen."""

    def __init__(self, dropout: float = 0.5, scale: float = 1.0) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)
        )
        self.register_buffer("scale", torch.tensor(scale))
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        output: Tensor = self.parts(x) * self.scale
        return output


def make_model(*, unfreeze: int = 0, **options: float) -> Any:
    """Make a model, always with the same weights."""
    torch.manual_seed(0)
    return Transfer(Backbone(**options), nn.Linear(4, 2), unfreeze=unfreeze)


@dataclass
class Trained:
    """The result of a training."""

    model: Any
    phases: list[Phase] = field(default_factory=list)
    steps: int = 0
    evaluations: dict[str, Evaluation] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        return int(self.model.backbone.seen)


def image_recipe(**values: object) -> Recipe:
    params = {key: as_param(value) for key, value in {**RUNNER_PARAMS, **KINDS[SPEC.kind].recipe}.items()}
    return resolve_recipe(
        params, None, {"batch_size": 4, "steps": 18, "lr": 0.1, **values}
    )  # 18 steps are three epochs


def train(cache: Path, model: Any = None, data: Any = None, *, seed: int = 0, **values: object) -> Trained:
    model = make_model() if model is None else model
    recipe, task = image_recipe(**values), image_classification_task(SPEC)
    ctx = Context(cache=cache, seed=seed, generator=seed_everything(seed, "cpu"))
    task.prepare(ctx, data or Images(), recipe)
    result = Trained(model)
    for event in task.train(ctx, model, recipe):
        if isinstance(event, Step):
            result.steps += 1
        else:
            result.phases.append(event)
    with evaluation_mode(model, ctx.generator, "cpu"):
        for split in ("val", "val", "test"):
            result.evaluations[split] = task.evaluate(ctx, model, split)
    return result


def folders(cache: Path) -> list[Path]:
    return sorted((cache / "features").glob("[!.]*"))


def same_head(first: Trained, second: Trained, atol: float = 0.0) -> bool:
    pairs = zip(first.model.head.parameters(), second.model.head.parameters(), strict=True)
    return all(torch.allclose(one, other, rtol=0, atol=atol) for one, other in pairs)


def through_the_backbone(cache: Path, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Trained:
    """Train without cached features."""
    with monkeypatch.context() as patch:
        patch.setattr(Features, "of_split", lambda *_: None)
        return train(cache, **values)


# Caching


def test_the_backbone_runs_once_for_every_example_in_a_training_of_several_epochs(tmp_path: Path) -> None:
    trained = train(tmp_path)
    assert trained.steps == 18
    assert trained.seen == sum(SIZES.values()) + CHECKED
    assert [folder.name.split("-")[1] for folder in folders(tmp_path)] == ["test", "train", "val"]
    assert len({folder.name.split("-")[0] for folder in folders(tmp_path)}) == 1


def test_the_next_seed_uses_cached_features_and_reports_their_full_cost(tmp_path: Path) -> None:
    first = train(tmp_path)
    assert [(phase.name, phase.spent_s) for phase in first.phases] == [("features", 0.0), ("features", 0.0)]
    (cost,) = (json.loads((folder / "cost.json").read_text()) for folder in folders(tmp_path) if "train" in folder.name)
    second = train(tmp_path, seed=1)
    assert second.seen == CHECKED
    assert [phase.spent_s for phase in second.phases] == [0.0, cost["seconds"]]
    assert cost["seconds"] > 0
    assert not same_head(first, second), "the seeds have other batches"


def test_the_setup_of_features_counts_for_the_training_also_after_an_evaluation(tmp_path: Path) -> None:
    model, recipe, task = make_model(), image_recipe(), image_classification_task(SPEC)
    ctx = Context(cache=tmp_path, seed=0, generator=seed_everything(0, "cpu"))
    task.prepare(ctx, Images(), recipe)
    with evaluation_mode(model, ctx.generator, "cpu"):
        task.evaluate(ctx, model, "val")  # as the score before the training
    before = int(model.backbone.seen)
    training = task.train(ctx, model, recipe)
    assert isinstance(next(training), Phase)  # what ran until here is in the training's clock
    assert int(model.backbone.seen) == before + CHECKED


def test_cached_features_give_the_same_results_as_computed_ones(tmp_path: Path) -> None:
    made, found = train(tmp_path), train(tmp_path)
    assert same_head(made, found)
    assert (made.seen, found.seen) == (sum(SIZES.values()) + CHECKED, CHECKED)
    for split, evaluation in made.evaluations.items():
        assert evaluation.scores == found.evaluations[split].scores
        for name, values in evaluation.per_example.items():
            assert np.array_equal(values, found.evaluations[split].per_example[name])


def test_training_on_features_equals_training_through_the_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, whole = train(tmp_path / "a"), through_the_backbone(tmp_path / "b", monkeypatch)
    assert same_head(kept, whole, atol=1e-3)  # float16 has three digits
    assert whole.seen == 18 * 4 - 3 * 2 + 2 * SIZES["val"] + SIZES["test"] + CHECKED  # an epoch's last batch has two
    assert {name: found.scores for name, found in kept.evaluations.items()} == (
        {name: found.scores for name, found in whole.evaluations.items()}
    )
    assert kept.evaluations["test"].scores["accuracy"] > 0.5
    assert "group_accuracy" in kept.evaluations["test"].scores, "the other columns come along"


def test_a_train_split_with_other_rows_has_features_of_its_own(tmp_path: Path) -> None:
    train(tmp_path)
    trained = train(tmp_path, holdout=False)
    assert trained.seen == SIZES["train"] - 2 + CHECKED
    assert len(folders(tmp_path)) == 4


@pytest.mark.parametrize("damage", ["cut", "zeroed", "cost"])
def test_damaged_features_are_computed_again_with_one_line(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = train(tmp_path)
    (folder,) = (folder for folder in folders(tmp_path) if "train" in folder.name)
    path = folder / ("cost.json" if damage == "cost" else "features.npy")
    content = path.read_bytes()
    if damage == "cost":
        path.write_text('{"seconds": 1e9}')
    else:
        path.write_bytes(content[:-8] if damage == "cut" else content[:128] + bytes(len(content) - 128))
    again = train(tmp_path)
    assert again.seen == SIZES["train"] + CHECKED, "the features of train alone"
    assert same_head(made, again)
    assert [phase.spent_s for phase in again.phases] == [0.0, 0.0], "and their cost is that of now"
    (line,) = (record.getMessage() for record in caplog.records if "is damaged" in record.getMessage())
    assert path.name in line


# The cache key


def other_weights() -> Any:
    model = make_model()
    with torch.no_grad():
        model.backbone.parts[0].bias[0] += 0.25
    return model


def other_statistics() -> Any:
    model = make_model()
    model.backbone.parts[1].running_mean[1] += 0.25
    return model


def other_size() -> Images:
    data = Images()
    data.signature = replace(data.signature, input_shape=(1, 6, 6))
    return data


def other_normalisation() -> Images:
    data = Images()
    data.signature = replace(data.signature, mean=(0.4,))
    return data


@pytest.mark.parametrize(
    "changes",
    [
        {"model": other_weights},
        {"model": other_statistics},
        {"model": lambda: make_model(scale=1.5)},
        {"model": lambda: make_model(dropout=0.25)},
        {"data": lambda: Images("images-v2")},
        {"data": other_size},
        {"data": other_normalisation},
        {"normalize": lambda: False},
    ],
    ids=[
        "a weight",
        "a statistic",
        "a scalar",
        "the structure",
        "the data",
        "the size",
        "the mean",
        "no normalisation",
    ],
)
def test_each_change_that_affects_features_computes_them_again(changes: dict[str, Any], tmp_path: Path) -> None:
    train(tmp_path)
    before = folders(tmp_path)
    changed = train(tmp_path, **{name: make() for name, make in changes.items()})
    assert changed.seen == sum(SIZES.values()) + CHECKED
    assert [phase.spent_s for phase in changed.phases] == [0.0, 0.0]
    assert len(folders(tmp_path)) == 2 * len(before)


@pytest.mark.parametrize("values", [{"lr": 0.01}, {"batch_size": 8}, {"label_smoothing": 0.1}, {"optimizer": "adam"}])
def test_changes_that_affect_only_the_head_use_the_cached_features(values: dict[str, Any], tmp_path: Path) -> None:
    train(tmp_path)
    assert train(tmp_path, **values).seen == CHECKED


# Models and recipes without cached features


@pytest.mark.parametrize("values", [{"flip": True}, {"crop": 1}, {"blur": 0.5}, {"mixup": 0.5}])
def test_with_augmentation_every_step_runs_the_backbone(values: dict[str, Any], tmp_path: Path) -> None:
    trained = train(tmp_path, **values)
    assert trained.seen > 18 * 4 - 3 * 2
    assert trained.phases == []
    assert not (tmp_path / "features").exists()


def test_a_backbone_that_is_partly_trained_has_no_features(tmp_path: Path) -> None:
    model = make_model(unfreeze=1)
    before = model.backbone.parts[0].weight.detach().clone()
    trained = train(tmp_path, model)
    assert trained.phases == []
    assert not folders(tmp_path)
    assert not torch.equal(model.backbone.parts[0].weight, before)


class Squared(Transfer):
    """A model whose forward is not head(backbone(x))."""

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.backbone(x) ** 2)
        return output


def test_a_model_that_is_not_head_of_backbone_is_trained_as_a_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    trained = train(tmp_path, Squared(Backbone(), nn.Linear(4, 2)))
    assert folders(tmp_path) == []
    assert trained.phases == []
    assert trained.seen > 18 * 4 - 3 * 2
    assert "is not head(backbone(x))" in caplog.text


def test_only_a_frozen_backbone_before_a_head_counts() -> None:
    model = make_model()
    assert frozen_backbone(model) is model.backbone
    assert frozen_backbone(make_model(unfreeze=1)) is None
    assert frozen_backbone(nn.Linear(1, 1)) is None
    model.head = None
    assert frozen_backbone(model) is None
    assert frozen_backbone(Transfer(nn.Flatten(), nn.Linear(16, 2))) is None, "nothing to save"


# Full disk and memory


Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 100, 0))


@pytest.mark.usefixtures("full_disk")
def test_features_without_room_on_the_disk_stay_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        trained = train(tmp_path)
        assert trained.steps == 18
        assert trained.seen == sum(SIZES.values()) + CHECKED
        assert folders(tmp_path) == []
    assert "have no room in" in caplog.text
    assert same_head(trained, train(tmp_path / "elsewhere"))


@pytest.mark.usefixtures("full_disk")
def test_without_room_on_disk_and_in_memory_every_step_runs_the_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
    trained = train(tmp_path)
    assert trained.steps == 18
    assert folders(tmp_path) == []
    assert trained.seen > 18 * 4 - 3 * 2
    assert same_head(trained, through_the_backbone(tmp_path, monkeypatch))


def test_a_half_full_disk_takes_what_needs_less_than_half_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = SIZES["test"] * 4 * 2  # four features of two bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 20, 0, 2 * need))
    train(tmp_path)
    assert [folder.name.split("-")[1] for folder in folders(tmp_path)] == ["test", "val"]


def test_features_that_are_nan_are_not_cached_and_their_outputs_diverge(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"not finite .* for \d+ of \d+ examples of (val|test)"):
        train(tmp_path, make_model(scale=float("nan")), lr=0.0)
    assert folders(tmp_path) == []


def test_features_that_float16_cannot_hold_are_not_cached(tmp_path: Path) -> None:
    trained = train(tmp_path, make_model(scale=1e7), lr=0.0)
    assert trained.steps == 18
    assert folders(tmp_path) == []
    assert trained.seen > 18 * 4 - 3 * 2


def test_making_features_leaves_nothing_else_behind(tmp_path: Path) -> None:
    train(tmp_path)
    assert {path.name for path in (tmp_path / "features").rglob("*") if path.is_file()} == {
        *("contents.json", "cost.json", "features.npy")
    }
    assert not list((tmp_path / "features").glob(".*"))


# Frozen parts


@pytest.mark.parametrize("values", [{}, {"flip": True}])
def test_a_frozen_backbone_keeps_its_weights_and_its_batchnorm_statistics(
    values: dict[str, Any], tmp_path: Path
) -> None:
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(tmp_path, model, **values)
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("backbone"))
    assert not torch.equal(after["head.weight"], before["head.weight"])


@pytest.mark.parametrize("values", [{}, {"flip": True}])
def test_dropout_in_a_frozen_backbone_does_nothing(values: dict[str, Any], tmp_path: Path) -> None:
    dry, wet = (train(tmp_path, make_model(dropout=share), **values) for share in (0.0, 0.9))
    assert same_head(dry, wet)


def test_dropout_in_the_head_stays_active(tmp_path: Path) -> None:
    models = [make_model(), make_model()]
    models[1].head = nn.Sequential(nn.Dropout(0.5), models[1].head)
    plain, dropping = (train(tmp_path, model) for model in models)
    assert dropping.model.head.training
    assert not same_head(plain, dropping)


def test_frozen_norms_of_a_model_without_a_backbone_stay_fixed_too(tmp_path: Path) -> None:
    frozen = nn.BatchNorm2d(1).requires_grad_(False)
    model = nn.Sequential(frozen, nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 2))
    recipe, task, ctx = image_recipe(), image_classification_task(SPEC), Context(generator=seed_everything(0, "cpu"))
    task.prepare(ctx, Images(), recipe)  # type: ignore[arg-type]
    list(task.train(ctx, model, recipe))
    assert frozen.num_batches_tracked == 0
    assert model[1].num_batches_tracked == 18
