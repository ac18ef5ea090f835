"""What all models of this plugin are: a generator and the discriminator it plays against."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Adversaries(nn.Module):
    """A `generator` and a `discriminator`, as the objective in `zoo_gan.task` says; forward is the generator's."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, z: Tensor) -> Tensor:
        made: Tensor = self.generator(z)
        return made


class Logits(nn.Module):
    """(batch, 1) -> (batch,)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.squeeze(x, 1)
