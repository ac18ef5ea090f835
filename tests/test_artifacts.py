"""The artifacts of a record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo_core.runner import artifacts
from zoo_core.runner.artifacts import Artifacts


def test_pictures_are_numbered_files_whatever_their_names(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures({"../../x": np.zeros((2, 2, 3), np.uint8), "<b>": np.zeros((2, 2, 3), np.uint8)})
    assert kept.pictures == {"../../x": "picture-0.png", "<b>": "picture-1.png"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture-0.png", "picture-1.png"]


def test_an_artifact_over_the_limit_is_left_out_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MAX_ARTIFACT_BYTES", 10)
    kept = Artifacts(tmp_path)
    kept.keep_per_example({"score": np.zeros(11, np.uint8)})
    kept.keep_pictures({"big": np.zeros((9, 9, 3), np.uint8)})
    assert set(kept.left_out) == {"per-example results", "picture big"}
    assert not list(tmp_path.iterdir())
    kept.keep_per_example({"score": np.zeros(10, np.uint8)})
    assert kept.per_example == "per_example.npz"


def test_results_that_only_pickle_could_keep_are_left_out_and_the_others_kept(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_per_example({"score": np.array([{}], dtype=object), "loss": np.zeros(3)})
    assert "holds objects" in kept.left_out["per-example results score"]
    assert list(np.load(tmp_path / kept.per_example)) == ["loss"]
