"""An encoder and a decoder as one model, for each of the two kinds."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Images (batch, channels, height, width) -> codes (batch, numbers) -> images."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.encoder(x))

    def decode(self, code: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(code))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class VariationalAutoencoder(nn.Module):
    """Images -> mean and log-variance of a normal distribution of codes; codes -> logits of pixels.

    encoder: returns means and log-variances in one tensor (batch, 2 * numbers).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, code: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(code))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x)[0])
