"""`zoo show CHECKPOINT --weights`: numbers that can be worked out by hand, and pictures of histograms and filters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from zoo_core.cli.weights import text_histogram
from zoo_core.runner.parameters import BINS, numbers_of
from zoo_core.runner.weight_pictures import FirstLayer, first_layer, histogram_sheet
from zoo_core.specs import Signature

Zoo = Callable[..., Any]
Save = Callable[..., Path]
IMAGE = Signature(input_shape=(3, 4, 5), outputs=2)


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def test_the_numbers_of_a_tensor_are_those_of_its_definition() -> None:
    found = numbers_of(torch.tensor([[-1.0, 1.0], [1.0, 3.0]]))
    assert (found["shape"], found["count"], found["not_finite"]) == ([2, 2], 4, 0)
    assert (found["mean"], found["min"], found["max"]) == (1.0, -1.0, 3.0)
    assert found["std"] == pytest.approx(2**0.5)
    assert found["histogram"] == [1, *[0] * (BINS // 2 - 1), 2, *[0] * (BINS // 2 - 2), 1]


def test_numbers_that_are_not_finite_are_counted_and_left_out() -> None:
    found = numbers_of(torch.tensor([float("inf"), float("nan"), 2.0]))
    assert (found["count"], found["not_finite"], found["mean"], found["histogram"]) == (3, 2, 2.0, [1])
    assert numbers_of(torch.tensor([float("nan")]))["mean"] is None
    assert numbers_of(torch.zeros(0))["histogram"] == []
    json.dumps(found, allow_nan=False)


def test_integers_and_bools_have_numbers_too() -> None:
    assert numbers_of(torch.tensor(7))["mean"] == 7.0
    assert numbers_of(torch.tensor([True, False]))["mean"] == 0.5


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [([0, 1, 8, 4], " ▁█▄"), ([1_000_000, 1], "█▁"), ([5], "█"), ([], ""), ([0, 0], "  ")],
)
def test_a_line_of_bars_has_a_space_where_nothing_is(counts: list[int], drawn: str) -> None:
    assert text_histogram(counts) == drawn


def test_the_first_layer_is_a_convolution_or_a_dense_layer_on_pixels() -> None:
    convolution, dense = nn.Conv2d(3, 6, 2), nn.Linear(60, 7)
    found = first_layer(nn.Sequential(nn.BatchNorm2d(3), convolution, nn.Conv2d(6, 8, 1)), IMAGE)
    assert found is not None
    assert (found.name, found.filters.shape) == ("1", (6, 3, 2, 2))
    np.testing.assert_array_equal(found.filters, convolution.weight.detach().numpy())
    found = first_layer(nn.Sequential(nn.Flatten(), dense), IMAGE)
    assert found is not None
    assert found.filters.shape == (7, 3, 4, 5)
    np.testing.assert_array_equal(found.filters.reshape(7, 60), dense.weight.detach().numpy())
    assert first_layer(nn.Linear(59, 2), IMAGE) is None
    assert first_layer(nn.Linear(4, 2), Signature(input_shape=(4,), outputs=2)) is None


def test_a_weight_of_zero_is_grey_and_the_largest_one_is_white() -> None:
    filters = np.zeros((1, 1, 1, 2), np.float32)
    filters[..., 1] = 0.5
    picture = FirstLayer("conv", filters).picture()
    assert picture[10, 8].tolist() == [128, 128, 128]
    assert picture[10, 80].tolist() == [255, 255, 255]
    many = FirstLayer("conv", np.zeros((100, 5, 2, 2), np.float32)).picture()  # 64 filters in rows of eight
    assert many.shape[1] == 8 * 88 + 4


def test_histograms_are_drawn_also_of_empty_tensors() -> None:
    rows = [{"name": "a" * 40, **numbers_of(torch.zeros(0))}, {"name": "b", **numbers_of(torch.randn(50))}]
    assert histogram_sheet(rows).shape[1] == 2 * 88 + 4


def test_the_table_and_the_pictures_of_a_saved_model(zoo: Zoo, save_untrained: Save, tmp_path: Path) -> None:
    saved = save_untrained(tmp_path / "cnn.safetensors", "mnist", "cnn")
    done = zoo("show", saved, "--weights", "--pictures", "drawn", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["pictures"] == ["histograms.png", "first-layer.png"]
    assert {path.name for path in Path("drawn").iterdir()} == set(found["pictures"])
    for name in found["pictures"]:
        with Image.open(Path("drawn", name)) as picture:
            assert picture.format == "PNG"
    rows = {row["name"]: row for row in found["parameters"]}
    first = rows[f"{found['first_layer']}.weight"]
    assert first["trained"]
    assert sum(first["histogram"]) == first["count"] == np.prod(first["shape"])
    again = zoo("show", saved, "--weights", "--pictures", "drawn")
    assert again.code == 2
    assert "exists, and no file is overwritten" in again.err
    table = zoo("show", saved, "--weights")
    assert table.code == 0, table.err
    assert table.out.count("█") >= len(rows)


def test_options_for_weights_need_the_option_weights(zoo: Zoo, tmp_path: Path) -> None:
    assert "go with --weights" in zoo("show", "mnist", "--pictures", "drawn").err
    (tmp_path / "a.safetensors").touch()
    done = zoo("show", "a.safetensors")
    assert (done.code, done.err) == (
        2,
        "error: a.safetensors is a file of weights: `zoo show a.safetensors --weights` shows them\n",
    )
    assert "there is no file" in zoo("show", "b.safetensors", "--weights").err
