"""The curve's points, and that the net fits them where a line cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo_cosine

from zoo_core import Context, UnknownSplitError


def test_points_lie_on_the_cosine_of_one_period_and_splits_differ() -> None:
    curve = zoo_cosine.Curve(Context())
    train, val = curve.load("train"), curve.load("val")
    for columns, size in ((train, 2000), (val, 500), (curve.load("test"), 1000)):
        assert columns["x"].shape == columns["y"].shape == (size, 1)
        assert np.abs(columns["x"]).max() <= np.pi + 1e-6
        assert columns["y"] == pytest.approx(np.cos(columns["x"]), abs=1e-6)
    assert not np.isin(train["x"], val["x"]).any()
    with pytest.raises(UnknownSplitError):
        curve.load("holiday")


def test_the_plugin_is_one_module_of_less_than_eighty_lines() -> None:
    assert len(Path(zoo_cosine.__file__).read_text().splitlines()) < 80


@pytest.mark.slow
def test_the_net_fits_the_curve_and_the_line_does_not(zoo: Callable[..., Any]) -> None:
    records = json.loads(zoo("bench", "cosine", "--device", "cpu", "--epochs", "60", "--json").out)
    mse = {record["model"]["name"]: record["measured"]["scores"]["mse"] for record in records}
    assert mse["zoo-cosine:mlp"] < 1e-4
    assert 0.4 < mse["zoo-cosine:linear"] < 0.6
