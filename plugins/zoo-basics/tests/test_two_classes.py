"""The points of two classes, their models and pictures, and CSV files, also damaged ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Perceptron as SklearnPerceptron
from sklearn.neighbors import KNeighborsClassifier
from zoo_basics.drawing import Box, blend
from zoo_basics.two_classes import data
from zoo_basics.two_classes.data import Drawn, PointsCsv, draw_circles, draw_moons, draw_spirals, draw_xor, is_for_test
from zoo_basics.two_classes.models import ACTIVATIONS, Logistic, Perceptron, mlp
from zoo_basics.two_classes.specs import ACTIVATIONS as NAMES
from zoo_basics.two_classes.specs import DATASETS, PLANE
from zoo_basics.two_classes.task import PointsObjective

from zoo_core import Context, DamagedDataError, DataUnavailableError, Recipe, UnknownSplitError, ZooError
from zoo_core.columns import Split
from zoo_core.data.batches import DeviceSplit
from zoo_core.data.open import data_context

DRAWS = {"spirals": draw_spirals, "moons": draw_moons, "circles": draw_circles, "xor": draw_xor}
CSV = next(dataset for dataset in DATASETS if dataset.name == "points-csv")


# drawn points


@pytest.mark.parametrize("name", DRAWS)
def test_no_line_separates_the_classes_as_well_as_their_neighbours_do(name: str) -> None:
    points = Drawn(PLANE, DRAWS[name])
    train, test = points.load("train"), points.load("test")
    line = LogisticRegression().fit(train["x"], train["y"]).score(test["x"], test["y"])
    near = KNeighborsClassifier(15).fit(train["x"], train["y"]).score(test["x"], test["y"])
    assert 0.93 < near < 0.985, "neither too easy nor hopeless"
    assert near - line > 0.05
    assert not set(map(tuple, train["x"])) & set(map(tuple, test["x"]))


def test_the_splits_are_drawn_with_seeds_of_their_own_and_there_are_no_others() -> None:
    points = Drawn(PLANE, draw_xor)
    assert np.array_equal(points.load("val")["x"], points.load("val")["x"])
    assert [len(points.load(split)["y"]) for split in ("train", "val", "test")] == [800, 400, 2000]
    assert points.load("test")["y"].mean() == 0.5
    with pytest.raises(UnknownSplitError, match="train, val, test"):
        points.load("rest")


def test_clouds_of_xor_lie_in_quadrants_of_their_class() -> None:
    x = draw_xor(np.random.default_rng(0), np.arange(4000) % 2)
    same_sign = (x[:, 0] * x[:, 1] > 0) == (np.arange(4000) % 2 == 0)
    assert same_sign.mean() == pytest.approx(0.9554, abs=0.01)  # p^2 + (1 - p)^2 with p = Phi(2) = 0.97725


# models


def test_the_perceptron_follows_rosenblatts_rule() -> None:
    model = Perceptron(PLANE)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    rng = np.random.default_rng(0)
    weights, bias = np.zeros(2), 0.0
    for _ in range(50):
        x, label = rng.normal(size=2).astype(np.float32), int(rng.integers(2))
        if (weights @ x + bias) * (2 * label - 1) <= 0:  # the rule, by hand
            weights, bias = weights + (2 * label - 1) * x, bias + (2 * label - 1)
        optimizer.zero_grad()
        model.loss(model(torch.from_numpy(x)[None]), torch.tensor([label])).backward()
        optimizer.step()
    assert model.neuron.weight.detach().numpy()[0] == pytest.approx(weights, abs=1e-5)
    assert model.neuron.bias.item() == pytest.approx(bias)


def test_the_perceptron_separates_what_a_line_separates_like_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2)).astype(np.float32)
    y = (x @ [1.0, -2.0] > 0.3).astype(int)
    model = Perceptron(PLANE)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(8):
        for point, label in zip(torch.from_numpy(x), torch.from_numpy(y), strict=True):
            optimizer.zero_grad()
            model.loss(model(point[None]), label[None]).backward()
            optimizer.step()
    mine = (model(torch.from_numpy(x)).argmax(1).numpy() == y).mean()
    assert mine >= SklearnPerceptron(max_iter=8, tol=None).fit(x, y).score(x, y) - 0.03
    assert mine > 0.95


@pytest.mark.parametrize("activation", NAMES)
def test_a_net_has_the_activation_that_it_is_asked_for(activation: str) -> None:
    net = mlp(PLANE, [8, 4], activation)
    kinds = [type(layer) for layer in net.children()]
    assert kinds == [torch.nn.Linear, ACTIVATIONS[activation]] * 2 + [torch.nn.Linear]
    assert net(torch.zeros(3, 2)).shape == Logistic(PLANE)(torch.zeros(3, 2)).shape == (3, 2)


def test_inputs_are_standardised_by_train_and_a_constant_coordinate_stays_finite() -> None:
    x = np.array([[1e6, 5.0], [3e6, 5.0], [5e6, 5.0]], np.float32)
    split = DeviceSplit(Split({"x": x, "y": np.array([0, 1, 1])}), "cpu")
    objective = PointsObjective(PLANE, Recipe({}), Context())
    objective.study(split)
    assert objective.inputs(split.first(3)).tolist() == [[-1, 0], [0, 0], [1, 0]]


# pictures


def test_a_grid_begins_at_the_top_left_and_colours_tell_the_classes_apart() -> None:
    grid = Box(-1, 1, -2, 2).grid(2, 3)
    assert grid.tolist() == [[-1, 2], [0, 2], [1, 2], [-1, -2], [0, -2], [1, -2]]
    colours = blend(np.array([[0.0, 0.5, 1.0, np.nan]]))[0].astype(int)
    assert colours[0, 2] > colours[0, 0] + 50, "blue"
    assert colours[2, 0] > colours[2, 2] + 50, "orange"
    assert colours[1].tolist() == colours[3].tolist() == [255, 255, 255]


# CSV files


def opened(folder: Path) -> PointsCsv:
    return PointsCsv(data_context(CSV, Context(data_root=folder)))


def write(folder: Path, text: str) -> Path:
    (folder / "points.csv").write_text(text, encoding="utf-8")
    return folder


def table(count: int = 60) -> str:
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{y:.3f},{'yes' if x > 0 else 'no'}" for x, y in rng.normal(size=(count, 2))]
    return "\n".join(["x,y,label", *lines]) + "\n"


def test_a_table_gives_train_and_test_with_classes_in_alphabetical_order(tmp_path: Path) -> None:
    points = opened(write(tmp_path, table()))
    train, test = points.load("train"), points.load("test")
    assert points.signature.classes == ("no", "yes")
    assert len(train["y"]) + len(test["y"]) == 60
    assert 5 <= len(test["y"]) <= 20
    for split in (train, test):
        assert np.array_equal(split["y"], split["x"][:, 0] > 0)
    with pytest.raises(UnknownSplitError):
        points.load("val")


def test_columns_may_have_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    lines = ["label,id,y,x"] + [f"{'b' if n % 2 else 'a'},{n},{n * 0.5},-{n}" for n in range(60)]
    points = opened(write(tmp_path, "\ufeff" + "\r\n".join(lines)))
    x = np.concatenate([points.load(split)["x"] for split in ("train", "test")])
    assert np.array_equal(x[:, 1], -x[:, 0] / 2)


def test_equal_points_are_in_one_split_and_a_fifth_of_all_points_is_test() -> None:
    x = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32).tolist()
    assert np.mean([is_for_test(*point) for point in x]) == pytest.approx(0.2, abs=0.02)
    assert is_for_test(1.0, 2.0) == is_for_test(1, 2)


DAMAGES: dict[str, tuple[str, type[ZooError], str]] = {
    "an empty file": ("", DamagedDataError, "must name x,y,label"),
    "no header": ("1,2,a\n" * 30, DamagedDataError, "must name x,y,label"),
    "a column twice": ("x,y,label,x\n", DamagedDataError, "'x'"),
    "a short line": (table() + "1,2\n", DamagedDataError, "line 62 has 2 cells, but the header has 3"),
    "a word": (table() + "one,2,yes\n", DamagedDataError, "line 62: x is 'one'"),
    "not a number": (table() + "1,nan,yes\n", DamagedDataError, "line 62: y is 'nan'"),
    "infinity": (table() + "-inf,2,yes\n", DamagedDataError, "line 62: x is '-inf'"),
    "a huge number": (table() + "1e30,2,yes\n", DamagedDataError, "1e30"),
    "a control character": (table() + "1,2,\x1b[31mred\n", DamagedDataError, "line 62: label"),
    "an endless label": (table() + f"1,2,{'a' * 100_000}\n", DamagedDataError, "line 62: label"),
    "three labels": (table() + "1,2,perhaps\n", DamagedDataError, "3 labels .*exactly two"),
    "one label": (table().replace("yes", "no"), DamagedDataError, "1 labels"),
    "few points": ("x,y,label\n1,2,a\n2,3,b\n", DamagedDataError, "2 points: it needs 20"),
    "an open quote": (table() + '1,2,"yes\n', DamagedDataError, "cannot be read as CSV"),
    "a cell beyond limits": (
        "x,y,label\n" + '"' + "a" * 200_000 + '",2,yes\n',
        DamagedDataError,
        "cannot be read as CSV",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_wrong_with_a_table_is_said_in_one_line(case: str, tmp_path: Path) -> None:
    text, error, words = DAMAGES[case]
    with pytest.raises(error, match=words) as told:
        opened(write(tmp_path, text))
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 600


def test_a_missing_table_and_one_in_another_encoding_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"points\.csv"):
        opened(tmp_path)
    (tmp_path / "points.csv").write_bytes(table().encode("utf-16"))
    with pytest.raises(DamagedDataError, match="UTF-8"):
        opened(tmp_path)


@given(st.text(max_size=200))
@settings(max_examples=25, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "points.csv")
        path.write_text("x,y,label\n" + text, encoding="utf-8", errors="replace")
        try:
            rows = list(data.read_points(path))
        except DamagedDataError:
            return
        assert all(np.isfinite(row[:2]).all() and row[2] for row in rows)


# trials


def test_a_net_bends_the_line_and_its_surface_is_drawn(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "two-classes", "-m", "mlp", "-m", "logistic", "--preset", "quick", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    records = {record["model"]["name"].partition(":")[2]: record for record in json.loads(done.out)}
    scores = {name: record["measured"]["scores"]["accuracy"] for name, record in records.items()}
    assert scores["mlp"] > 0.9 > 0.75 > scores["logistic"]
    assert set(records["mlp"]["measured"]["pictures"]) == {"thumbnail", "training"}
