"""Convolutional autoencoders: three levels of 28, 14 and 7 pixels, and a hidden dense layer beside the code."""

from __future__ import annotations

from torch import nn

from zoo_autoencoder.models.autoencoder import Autoencoder, VariationalAutoencoder
from zoo_core import IncompatibleError, Signature

STRIDE = 4  # of the two convolutions of the encoder together


def conv_ae(signature: Signature, code_size: int, width: int, hidden: int) -> nn.Module:
    """Build an autoencoder; `width` is the number of channels at half of the height and width of the images."""
    size = _reduced_size(signature)
    return Autoencoder(_encoder(size, code_size, width, hidden), _decoder(size, code_size, width, hidden))


def conv_vae(signature: Signature, code_size: int, width: int, hidden: int) -> nn.Module:
    """Build a variational autoencoder of the same layers."""
    size = _reduced_size(signature)
    return VariationalAutoencoder(
        _encoder(size, 2 * code_size, width, hidden), _decoder(size, code_size, width, hidden)
    )


def _reduced_size(signature: Signature) -> tuple[int, int, int]:
    """Return the channels of the images, and their height and width divided by 4."""
    channels, height, width = (length or 0 for length in signature.input_shape)
    if height % STRIDE or width % STRIDE:
        raise IncompatibleError(f"images of {height}x{width} pixels: height and width must be divisible by {STRIDE}")
    return channels, height // STRIDE, width // STRIDE


def _normalized(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(channels), nn.SiLU()]


def _encoder(size: tuple[int, int, int], outputs: int, width: int, hidden: int) -> nn.Module:
    channels, height, across = size
    return nn.Sequential(
        *_normalized(nn.Conv2d(channels, width, 4, 2, 1, bias=False), width),
        *_normalized(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), 2 * width),
        nn.Flatten(),
        nn.Linear(2 * width * height * across, hidden),
        nn.SiLU(),
        nn.Linear(hidden, outputs),
    )


def _decoder(size: tuple[int, int, int], code_size: int, width: int, hidden: int) -> nn.Module:
    """PixelShuffle instead of transposed convolutions, which are slow on CPUs in the layout channels-last."""
    channels, height, across = size
    return nn.Sequential(
        nn.Linear(code_size, hidden),
        nn.SiLU(),
        nn.Linear(hidden, 2 * width * height * across),
        nn.Unflatten(1, (2 * width, height, across)),
        nn.BatchNorm2d(2 * width),
        nn.SiLU(),
        nn.Conv2d(2 * width, 4 * width, 3, 1, 1, bias=False),
        nn.PixelShuffle(2),
        nn.BatchNorm2d(width),
        nn.SiLU(),
        nn.Conv2d(width, 4 * channels, 3, 1, 1),
        nn.PixelShuffle(2),
    )
