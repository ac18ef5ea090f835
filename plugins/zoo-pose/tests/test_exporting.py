"""Files of models of `pose` prepare sequences as the task does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from zoo_pose.exporting import FromFrames
from zoo_pose.sequences import normalize


@pytest.mark.parametrize("length", [2, 7, 32, 75])
def test_sequences_of_any_length_are_centred_scaled_and_resampled_as_in_training(length: int) -> None:
    sequences = np.random.default_rng(length).normal(3.0, 2.0, (3, length, 5, 3)).astype(np.float32)
    expected = np.stack([normalize(sequence, (0, 1), 32) for sequence in sequences])
    found = FromFrames(nn.Identity(), (0, 1), 32)(torch.from_numpy(sequences))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_joints_that_are_all_in_one_place_are_not_divided_by_zero() -> None:
    assert torch.isfinite(FromFrames(nn.Identity(), (0,), 8)(torch.ones(1, 4, 5, 3))).all()
