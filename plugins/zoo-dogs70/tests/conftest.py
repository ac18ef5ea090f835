"""The real data of these tests, unpacked once."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def squeezenet_weights(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageNet's weights of SqueezeNet 1.0."""
    folder = tmp_path_factory.mktemp("weights")
    with tarfile.open(test_data / "weights.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "weights" / "squeezenet1_0_torchvision.npz"
