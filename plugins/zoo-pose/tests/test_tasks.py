"""Both tasks: what models answer, what augmentation keeps, metrics by hand, windows, pictures, and a whole trial."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import accuracy_score
from torch import nn
from zoo_pose.action import Action, ActionAugmentation, ActionObjective
from zoo_pose.augment import resample_at, rotation_about_vertical
from zoo_pose.drawn import StickFigures
from zoo_pose.models.copy_last import copy_last
from zoo_pose.models.layers import FrameFeatures, with_velocity
from zoo_pose.models.recurrent import bilstm, gru, lstm, rnn
from zoo_pose.models.tcn import tcn
from zoo_pose.models.transformer import transformer
from zoo_pose.motion import Motion, MotionAugmentation, MotionObjective, Windows
from zoo_pose.plugin import zoo_tasks
from zoo_pose.skeletons import COCO_17, skeleton_extra, window_frames

from zoo_core import Context, DamagedDataError, DataUnavailableError, Param, Recipe, Signature
from zoo_core.data.columns import Ragged, Split
from zoo_core.data.open import Data

FIGURES = StickFigures.signature
FLAT = Signature(input_shape=(None, 17, 2), outputs=4, extra=skeleton_extra(COCO_17, fps=30, unit="px"))
POSE, MOTION = zoo_tasks()

CLASSIFIERS: dict[str, Callable[[Signature], nn.Module]] = {
    "rnn": lambda signature: rnn(signature, 8, 2, 0.1),
    "lstm": lambda signature: lstm(signature, 8, 2, 0.1, "class"),
    "bilstm": lambda signature: bilstm(signature, 8, 1, 0.1),
    "gru": lambda signature: gru(signature, 8, 2, 0.1),
    "transformer": lambda signature: transformer(signature, 8, 1, 2, 0.1, "class"),
    "tcn": lambda signature: tcn(signature, 8, 2, 0.1),
}
FORECASTERS: dict[str, Callable[[Signature], nn.Module]] = {
    "lstm": lambda signature: lstm(signature, 8, 1, 0.0, "motion"),
    "transformer": lambda signature: transformer(signature, 8, 1, 2, 0.0, "motion"),
    "copy-last": copy_last,
}


def recipe_of(spec: Any, **values: Any) -> Recipe:
    plain = {key: value.default if isinstance(value, Param) else value for key, value in spec.recipe.items()}
    return Recipe({"steps": 2, **plain, **values})


class FewData:
    """Stands for open data: given sequences (frames, 20, 3) in every split."""

    signature, identity = FIGURES, "a test's"

    def __init__(self, *lengths: int, rows: Any = None) -> None:
        values = np.arange(sum(lengths) * 60, dtype=np.float32).reshape(-1, 20, 3)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        numbers = np.arange(len(lengths), dtype=np.int64)
        self._split = Split({"x": Ragged(values, offsets), "y": numbers, "group": numbers + 100}, rows)

    def split(self, name: str, *, holdout: bool = True) -> Split:
        return self._split

    @classmethod
    def of(cls, *lengths: int, rows: Any = None) -> Data:
        return cast(Data, cls(*lengths, rows=rows))


@pytest.mark.parametrize("signature", [FIGURES, FLAT])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_answers_sequences_of_any_length_and_all_its_weights_learn(
    name: str, signature: Signature
) -> None:
    model = CLASSIFIERS[name](signature)
    _, joints, axes = signature.input_shape
    for frames in (12, 17):
        output = model(torch.randn(3, frames, joints or 0, axes or 0))
        assert output.shape == (3, signature.outputs)
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("signature", [FIGURES, FLAT])
@pytest.mark.parametrize("name", FORECASTERS)
def test_every_forecaster_begins_by_copying_the_last_frame(name: str, signature: Signature) -> None:
    past, future = window_frames(signature.extra)
    assert (past, future) == ((15, 8) if signature is FIGURES else (30, 15))
    x = torch.randn(2, past, *(size or 0 for size in signature.input_shape[1:])) * 100
    output = FORECASTERS[name](signature).eval()(x)
    assert torch.equal(output, x[:, -1:].expand(-1, future, -1, -1))


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_a_forecast_moves_along_with_the_body_and_grows_with_it(name: str) -> None:
    model = FORECASTERS[name](FIGURES).eval()
    nn.init.normal_(cast(Any, model).linear.weight)
    x = torch.randn(2, 15, 20, 3)
    assert torch.allclose(model(x * 3 + 7), model(x) * 3 + 7, atol=1e-3)


def test_velocities_are_differences_of_frames() -> None:
    x = torch.tensor([[[[1.0]], [[3.0]], [[2.0]]]])
    assert with_velocity(x).tolist() == [[[1, 0], [3, 2], [2, -1]]]


def test_frames_lose_their_mean_and_places_and_movements_each_have_one_scale() -> None:
    x = torch.randn(16, 9, 20, 3, generator=torch.Generator().manual_seed(0)) * 3 + 5
    x[:, :, 0] = 7 + (x[:, :, 0] - 5) / 100  # a joint that hardly moves
    frames = FrameFeatures(FIGURES)
    frames.initialize(x)
    seen = frames(x)
    assert seen.mean(dim=(0, 1)).abs().max() < 1e-4
    for part in seen.split(60, dim=2):
        assert part.var(dim=(0, 1)).mean().item() == pytest.approx(1, abs=0.01)
        assert part[..., :3].std() < 0.02  # its noise stays small beside the others' movement


def test_what_a_model_knows_of_train_is_kept_with_its_weights() -> None:
    taught, other = (lstm(FIGURES, 8, 1, 0.1, "class").eval() for _ in range(2))
    x = torch.randn(4, 9, 20, 3) + 3
    cast(Any, taught).initialize(x)
    before = taught(x)
    other.load_state_dict(taught.state_dict())
    assert torch.equal(other(x), before)


# Augmentation


def test_turning_about_the_vertical_keeps_heights_and_distances() -> None:
    x = torch.randn(5, 7, 3)
    turned = x @ rotation_about_vertical(torch.full((5,), 1.3))
    assert torch.allclose(turned[..., 1], x[..., 1])
    assert torch.allclose(torch.cdist(turned, turned), torch.cdist(x, x), atol=1e-4)
    quarter = torch.tensor([[1.0, 2.0, 3.0]]) @ rotation_about_vertical(torch.tensor([torch.pi / 2]))[0]
    assert torch.allclose(quarter, torch.tensor([[3.0, 2.0, -1.0]]), atol=1e-5)


def test_other_times_lie_between_frames() -> None:
    x = torch.tensor([[0.0, 10.0, 30.0]]).view(1, 3, 1, 1)
    assert resample_at(x, torch.tensor([[0.0, 0.5, 1.5, 2.0]])).flatten().tolist() == [0, 5, 20, 30]


def augmentation(**values: Any) -> ActionAugmentation:
    still = {"rotate": 0.0, "zoom": 0.0, "mirror": False, "jitter": 0.0, "cut": 0.0, "warp": 0.0, "lose": 0.0}
    ctx = Context(generator=torch.Generator().manual_seed(0))
    return ActionAugmentation(FIGURES, recipe_of(POSE, **{**still, **values}), ctx)


def test_without_its_keys_augmentation_changes_nothing() -> None:
    x = torch.randn(4, 9, 20, 3)
    assert torch.equal(augmentation()({"x": x})["x"], x)


def test_cut_and_warped_time_goes_on_and_stays_within_the_sequence() -> None:
    frames = torch.arange(40.0).view(1, 40, 1, 1).expand(64, 40, 20, 3)
    found = augmentation(cut=0.4, warp=0.3)({"x": frames})["x"][..., 0, 0]
    assert (found.diff(dim=1) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 39.001
    assert (found[:, -1] - found[:, 0]).min() >= 0.6 * 39 - 0.01
    whole = augmentation(warp=0.3)({"x": frames})["x"][..., 0, 0]
    assert torch.allclose(whole[:, 0], torch.zeros(64))
    assert torch.allclose(whole[:, -1], torch.full((64,), 39.0), atol=1e-3)


def test_a_mirrored_body_has_its_sides_exchanged() -> None:
    x = torch.randn(64, 2, 20, 3)
    found = augmentation(mirror=True)({"x": x})["x"]
    mirrored = x[:, :, FIGURES.extra["mirror"]] * torch.tensor([-1.0, 1.0, 1.0])
    same = (found == x).flatten(1).all(dim=1)
    assert 10 < same.sum() < 54
    assert torch.equal(found[~same], mirrored[~same])


def test_lost_joints_stand_at_the_root_through_the_sequence() -> None:
    found = augmentation(lose=0.5)({"x": torch.ones(64, 5, 20, 3)})["x"]
    assert 0.4 < found.mean() < 0.6
    assert torch.equal(found[:, 0], found[:, 4])


def test_past_and_future_are_changed_alike() -> None:
    ctx = Context(generator=torch.Generator().manual_seed(0))
    recipe = recipe_of(MOTION, rotate=90.0, zoom=0.3, mirror=True, jitter=0.0)
    window_of = torch.randn(16, 23, 20, 3)
    found = MotionAugmentation(FIGURES, recipe, ctx)({"x": window_of[:, :15], "y": window_of[:, 15:]})
    root = FIGURES.extra["root"]
    assert torch.allclose(found["x"][:, -1, root], window_of[:, 14, root], atol=1e-5)
    still = {"x": window_of[:, 14:15].expand(-1, 15, -1, -1), "y": window_of[:, 14:15].expand(-1, 8, -1, -1)}
    moved = MotionAugmentation(FIGURES, recipe, ctx)(still)
    assert torch.allclose(moved["x"][:, -1:].expand(-1, 8, -1, -1), moved["y"], atol=1e-5)


# Metrics


def test_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    outputs, truth = rng.normal(size=(50, 12)).astype(np.float32), rng.integers(0, 12, 50)
    found = ActionObjective(FIGURES, recipe_of(POSE), Context()).evaluate(outputs, {"y": truth, "group": truth % 5})
    assert found.scores["accuracy"] == pytest.approx(accuracy_score(truth, outputs.argmax(1)), abs=1e-9)
    assert len(found.tables["confusion"].rows) == 12


def test_joint_error_is_scipys_euclidean_distance() -> None:
    rng = np.random.default_rng(0)
    predictions, targets = (rng.normal(size=(6, 8, 20, 3)).astype(np.float32) for _ in range(2))
    found = MotionObjective(FIGURES, recipe_of(MOTION), Context()).evaluate(predictions, {"y": targets})
    distances = np.diag(cdist(predictions.reshape(-1, 3), targets.reshape(-1, 3))).reshape(6, 8, 20)
    assert found.scores["joint_error"] == pytest.approx(distances.mean(), abs=1e-6)
    assert found.scores["last_frame_error"] == pytest.approx(distances[:, -1].mean(), abs=1e-6)
    assert np.allclose(found.per_example["score"], distances.mean(axis=(1, 2)))
    assert [row[1] for row in found.tables["per joint"].rows] == pytest.approx(distances.mean(axis=(0, 1)).tolist())
    assert found.tables["over time"].rows[-1][0] == pytest.approx(8 / 15, abs=1e-3)


def test_the_loss_of_motion_is_the_joint_error() -> None:
    output = torch.zeros(1, 2, 1, 2)
    loss, score = MotionObjective(FLAT, recipe_of(MOTION), Context()).loss(
        output, {"y": torch.tensor([[[[3.0, 4.0]], [[0.0, 1.0]]]])}
    )
    assert loss.item() == pytest.approx(3.0, abs=1e-3)
    assert score is loss


# Examples


def test_windows_begin_at_every_frame_of_train_and_at_every_third_of_test_and_never_cross_sequences() -> None:
    windows = Windows(FewData.of(25, 10, 30), recipe_of(MOTION))
    train, test = windows.split("train"), windows.split("test")
    assert train.rows is not None
    assert test.rows is not None
    assert train.rows.tolist() == [0, 1, 2, *range(35, 43)]
    assert test.rows.tolist() == [0, 35, 38, 41]
    x, y, group = (np.asarray(test.columns[name]) for name in ("x", "y", "group"))
    assert np.array_equal(x[38, :, 0, 0], np.arange(38, 53) * 60)
    assert np.array_equal(y[38, :, 0, 0], np.arange(53, 61) * 60)
    assert group[test.rows].tolist() == [100, 102, 102, 102]
    assert len(x) == len(y) == len(group)


def test_windows_of_one_sequence_belong_together_in_data_without_groups() -> None:
    data = FewData(25, 10, 30)
    del cast(dict[str, Any], data._split.columns)["group"]
    test = Windows(cast(Data, data), recipe_of(MOTION)).split("test")
    assert np.asarray(test.columns["group"])[cast(Any, test.rows)].tolist() == [0, 2, 2, 2]


def test_windows_are_of_the_splits_own_rows_and_as_far_apart_as_the_recipe_says() -> None:
    windows = Windows(FewData.of(25, 10, 30, rows=np.array([2])), recipe_of(MOTION, stride=4))
    assert windows.split("train").rows is not None
    assert cast(Any, windows.split("train").rows).tolist() == [35, 39]


def test_data_of_short_sequences_alone_are_refused() -> None:
    with pytest.raises(DataUnavailableError, match="no sequence of train has 23 frames"):
        Windows(FewData.of(22, 5), recipe_of(MOTION)).split("train")


def test_data_of_one_action_are_refused() -> None:
    for data in (FewData.of(25), FewData.of(25, 30, rows=np.array([1]))):
        with pytest.raises(DamagedDataError, match="train: all 1 labels are class"):
            Action(POSE).prepare(Context(), data, recipe_of(POSE, frames=16))


def test_sequences_are_brought_to_the_recipes_frames() -> None:
    body = Action(POSE)
    ctx = Context(generator=torch.Generator().manual_seed(0))
    body.prepare(ctx, FewData.of(25, 9, 30, rows=np.array([0, 2])), recipe_of(POSE, frames=16))
    assert body.example_input(ctx, 5).shape == (5, 16, 20, 3)
    with torch.no_grad():
        found = body.evaluate(ctx, tcn(FIGURES, 4, 1, 0.0).eval(), "test")
    assert found.per_example["truth"].tolist() == [0, 2]


def test_a_model_without_parameters_takes_its_steps() -> None:
    body = Motion(MOTION)
    ctx = Context(generator=torch.Generator().manual_seed(0))
    recipe = recipe_of(MOTION, steps=2, batch_size=4)
    body.prepare(ctx, FewData.of(30), recipe)
    steps = list(body.train(ctx, copy_last(FIGURES), recipe))
    assert [cast(Any, step).n for step in steps] == [4, 4]
    error = body.evaluate(ctx, copy_last(FIGURES), "test").scores["joint_error"]
    assert error == pytest.approx(60 * 3**0.5 * 4.5, rel=1e-5)  # all three axes move by 60 a frame, 1 to 8 frames


def test_pictures_are_made_of_both_tasks() -> None:
    ctx = Context(generator=torch.Generator().manual_seed(0))
    for body, model, names in (
        (Action(POSE), tcn(FIGURES, 4, 1, 0.0), {"thumbnail", "answers", "mistakes"}),
        (Motion(MOTION), copy_last(FIGURES), {"thumbnail", "forecasts"}),
    ):
        body.prepare(ctx, FewData.of(25, 40, 30), recipe_of(body.spec))
        with torch.no_grad():
            pictures = body.pictures(ctx, model.eval())
        assert set(pictures) == names or set(pictures) == names - {"mistakes"}
        for picture in pictures.values():
            assert picture.dtype == np.uint8
            assert picture.shape[2] == 3
            assert picture.std() > 5
        height, width, _ = pictures["thumbnail"].shape
        assert width / height >= 4 / 3


def test_a_local_file_gets_a_prediction_and_one_of_another_body_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a01_s01_e01_skeleton3D.txt"
    path.write_text("\n".join(f"{frame} {joint} 2 1" for frame in range(5) for joint in range(20)))
    ctx, recipe = Context(generator=torch.Generator()), recipe_of(POSE)
    model = tcn(FIGURES, 4, 1, 0.0).eval()
    with torch.no_grad():
        table = Action(POSE).predict(ctx, model, FIGURES, FIGURES.input_shape, recipe, [path], 2)
    assert [row[0] for row in table.rows] == [str(path)] * 2
    assert {row[1] for row in table.rows} <= set(FIGURES.classes)
    with pytest.raises(DamagedDataError, match="has 20 joints of 3 axes, the model takes"):
        Action(POSE).predict(ctx, model, FLAT, FLAT.input_shape, recipe, [path], 2)


def bench(zoo: Callable[..., Any], *words: str) -> dict[str, Any]:
    ended = zoo("bench", *words, "--offline", "--preset", "quick", "--device", "cpu", "--json")
    assert ended.code == 0, ended.err
    (record,) = json.loads(ended.out)
    return cast(dict[str, Any], record)


def test_copy_last_is_benched_like_any_model(zoo: Callable[..., Any]) -> None:
    record = bench(zoo, "motion", "--model", "copy-last")
    assert record["status"] == "ok"
    assert record["model"]["parameters"] == 0
    assert 0.01 < record["measured"]["scores"]["joint_error"] < 0.3


@pytest.mark.slow
def test_the_quick_presets_are_above_chance(zoo: Callable[..., Any]) -> None:
    assert bench(zoo, "pose", "--model", "tcn")["measured"]["scores"]["accuracy"] > 0.4
    copied = bench(zoo, "motion", "--model", "copy-last")["measured"]["scores"]["joint_error"]
    assert bench(zoo, "motion", "--model", "lstm")["measured"]["scores"]["joint_error"] < copied
