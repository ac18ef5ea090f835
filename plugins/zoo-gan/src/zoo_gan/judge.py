"""The judge: a small classifier of digits whose features the Fréchet distance compares. Its weights are in the package.

It always runs on the CPU in full precision, so that scores are comparable between machines.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import WeightsError
from zoo_core.data.columns import Array
from zoo_core.weights import load_into, read_weights

WEIGHTS = Path(__file__).with_name("judge.safetensors")
SHA256 = "fb718585d105a908b3a27391e32c9506d4970873309defb7381c002808067bcf"
WIDTH = 16  # channels of the first convolution
FEATURES = 4 * WIDTH
BATCH = 500


class Judge(nn.Module):
    """Three convolutions with BatchNorm; the features are each channel's mean over the image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(1, WIDTH),
            nn.MaxPool2d(2),
            *_block(WIDTH, 2 * WIDTH),
            nn.MaxPool2d(2),
            *_block(2 * WIDTH, FEATURES),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(FEATURES, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, 1, 28, 28) in [-1, 1] -> (batch, 10) logits."""
        logits: Tensor = self.head(self.body(x))
        return logits

    def classify(self, images: Array) -> tuple[Array, Array]:
        """Return features float64 (n, 64) and predicted digits int64 (n,) of images uint8 (n, 1, 28, 28)."""
        features, digits = [], []
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            for begin in range(0, len(images), BATCH):
                part = torch.tensor(images[begin : begin + BATCH])  # a copy: the array may be read-only
                pooled = self.body(part.float() / 127.5 - 1)
                features.append(pooled.double().numpy())
                digits.append(self.head(pooled).argmax(1).numpy())
        return np.concatenate(features), np.concatenate(digits)


def _block(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


def load_judge(path: Path = WEIGHTS) -> Judge:
    """Load the judge in evaluation mode. Raises WeightsError if the file is not that of this version."""
    try:
        digest = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}): install zoo-gan again") from error
    if digest != SHA256:
        raise WeightsError(f"{path} is not the judge of this version (sha256 {digest[:12]}...): install zoo-gan again")
    judge = Judge()
    load_into(judge, read_weights(path))
    return judge.eval()
