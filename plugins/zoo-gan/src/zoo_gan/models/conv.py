"""Convolutional generators and discriminators for 28x28 images, after DCGAN (Radford, Metz and Chintala 2016)."""

from __future__ import annotations

from torch import nn

from zoo_core import Signature
from zoo_gan.models.adversaries import Adversaries, Logits
from zoo_gan.models.dense import NEGATIVE_SLOPE

COARSE_SIZE = 7  # pixels a side of the smallest feature maps: 28 halved twice
INITIAL_STD = 0.02  # of the initial weights, as in the paper


def dcgan(signature: Signature, latent: int, width: int) -> nn.Module:
    """Build z (batch, latent) -> images (batch, C, 28, 28) in [-1, 1] -> logits (batch,)."""
    return adversaries(signature, latent, width, critic_norm=True)


def adversaries(signature: Signature, latent: int, width: int, *, critic_norm: bool) -> nn.Module:
    """Build the pair. A gradient penalty is per example, so it requires a discriminator without BatchNorm."""
    channels = signature.input_shape[0] or 1
    generator = nn.Sequential(
        nn.Linear(latent, 2 * width * COARSE_SIZE**2, bias=False),
        nn.Unflatten(1, (2 * width, COARSE_SIZE, COARSE_SIZE)),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, 2, 1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1),
        nn.LeakyReLU(NEGATIVE_SLOPE),
        nn.Conv2d(width, 2 * width, 4, 2, 1),
        *([nn.BatchNorm2d(2 * width)] if critic_norm else []),
        nn.LeakyReLU(NEGATIVE_SLOPE),
        nn.Flatten(),
        nn.Linear(2 * width * COARSE_SIZE**2, 1),
        Logits(),
    )
    if critic_norm:  # without BatchNorm such small weights would nearly remove the signal
        for layer in (*generator, *discriminator):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, INITIAL_STD)
    return Adversaries(generator, discriminator)
