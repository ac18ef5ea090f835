"""Log-likelihoods and bounds of a variational autoencoder, in nats per example.

Its prior is a standard normal, its approximate posterior q(z | x) a diagonal normal, and its pixels are Bernoulli.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def bernoulli_nats(logits: Tensor, pixels: Tensor) -> Tensor:
    """Return -log p(x | z) (batch,) from logits (batch, ...) and pixels in [0, 1], summed over the pixels."""
    return F.binary_cross_entropy_with_logits(logits.float(), pixels, reduction="none").flatten(1).sum(1)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the KL divergence of N(mean, variance) from the standard normal by latent number: (batch, latent).

    Kingma and Welling 2014, appendix B.
    """
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Return z (batch, latent) from standard normal noise of that shape, with gradients to mean and variance."""
    return mean + (log_variance / 2).exp() * noise


def log_prior_ratio(z: Tensor, noise: Tensor, log_variance: Tensor) -> Tensor:
    """Return log p(z) - log q(z | x) (batch,) of samples z that `sample` made from `noise`.

    Both densities have the factor (2 pi)^(-latent / 2), which cancels.
    """
    return (noise.square() - z.square() + log_variance).sum(1) / 2


def importance_weighted_nats(log_weights: Tensor) -> Tensor:
    """Return the negative importance-weighted bound (batch,) from log p(x, z) - log q(z | x) of samples (k, batch).

    Burda, Grosse and Salakhutdinov 2016, arXiv:1509.00519: -log of the mean weight. For k = 1 it is the negative
    ELBO; in expectation it falls with k to -log p(x).

    >>> importance_weighted_nats(torch.tensor([[0.0, -2.0], [0.0, -2.0]])).tolist()
    [0.0, 2.0]
    """
    return math.log(len(log_weights)) - torch.logsumexp(log_weights, dim=0)
