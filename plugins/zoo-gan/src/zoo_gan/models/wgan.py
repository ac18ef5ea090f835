"""A pair for the Wasserstein loss with gradient penalty (Gulrajani et al. 2017): no BatchNorm in the critic."""

from __future__ import annotations

from torch import nn

from zoo_core import Signature
from zoo_gan.models.conv import adversaries
from zoo_gan.models.dense import points


def wgan(signature: Signature, latent: int, width: int) -> nn.Module:
    """Build dense nets for points (batch, coordinates), convolutional ones for images (batch, C, 28, 28)."""
    if len(signature.input_shape) == 1:
        return points(signature, latent, [width] * 3)
    return adversaries(signature, latent, width, critic_norm=False)
