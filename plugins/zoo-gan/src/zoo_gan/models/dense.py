"""Dense generators and discriminators, for points and for images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from torch import nn

from zoo_core import Signature
from zoo_gan.models.adversaries import Adversaries, Logits

NEGATIVE_SLOPE = 0.2  # of LeakyReLU, as in DCGAN


def points(signature: Signature, latent: int, widths: Sequence[int]) -> nn.Module:
    """Build z (batch, latent) -> (batch, coordinates) -> logits (batch,), without BatchNorm."""
    generator = leaky_layers([latent, *widths, signature.features])
    return Adversaries(generator, nn.Sequential(leaky_layers([signature.features, *widths, 1]), Logits()))


def images(signature: Signature, latent: int, widths: Sequence[int]) -> nn.Module:
    """Build z (batch, latent) -> images (batch, C, H, W) in [-1, 1] -> logits (batch,); BatchNorm in the generator."""
    size = signature.features
    layers: list[nn.Module] = []
    for before, after in pairwise([latent, *widths]):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    last = [nn.Linear(widths[-1], size), nn.Tanh(), nn.Unflatten(1, cast(tuple[int, ...], signature.input_shape))]
    discriminator = nn.Sequential(nn.Flatten(), leaky_layers([size, *reversed(widths), 1]), Logits())
    return Adversaries(nn.Sequential(*layers, *last), discriminator)


def leaky_layers(sizes: Sequence[int]) -> nn.Sequential:
    """Build linear layers with LeakyReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(NEGATIVE_SLOPE)]
    return nn.Sequential(*layers[:-1])
