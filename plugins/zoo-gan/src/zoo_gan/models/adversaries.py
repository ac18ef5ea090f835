"""The form of all models in this plugin: a generator and its discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Adversaries(nn.Module):
    """A `generator` and a `discriminator`, as `zoo_gan.task` requires; forward is the generator's."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, z: Tensor) -> Tensor:
        generated: Tensor = self.generator(z)
        return generated


class Logits(nn.Module):
    """Removes the last dimension: (batch, 1) -> (batch,)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.squeeze(x, 1)
