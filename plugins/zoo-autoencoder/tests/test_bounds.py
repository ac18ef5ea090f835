"""Likelihoods, divergences and bounds against torch.distributions, closed forms and numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate
from torch.distributions import Bernoulli, Normal, kl_divergence
from zoo_autoencoder.bounds import (
    bernoulli_nats,
    importance_weighted_nats,
    kl_to_standard_normal,
    log_prior_ratio,
    sample,
)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_likelihood_is_that_of_independent_bernoulli_pixels() -> None:
    logits = randn(3, 1, 4, 4).float()
    pixels = (randn(3, 1, 4, 4, seed=1) > 0).float()
    expected = -Bernoulli(logits=logits).log_prob(pixels).flatten(1).sum(1)
    assert bernoulli_nats(logits, pixels).tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_the_divergence_is_torchs() -> None:
    mean, log_variance = randn(5, 3), randn(5, 3, seed=1)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(3), torch.ones(3)))
    assert torch.allclose(kl_to_standard_normal(mean, log_variance), expected.double(), rtol=1e-9)


def test_samples_and_their_densities_are_those_of_the_normal_distributions() -> None:
    mean, log_variance, noise = randn(5, 3), randn(5, 3, seed=1), randn(5, 3, seed=2)
    z = sample(mean, log_variance, noise)
    std = (log_variance / 2).exp()
    assert torch.equal(z, mean + std * noise)
    expected = (Normal(0.0, 1.0).log_prob(z) - Normal(mean, std).log_prob(z)).sum(1)
    assert torch.allclose(log_prior_ratio(z, noise, log_variance), expected, rtol=1e-9)


def linear_gaussian(x: torch.Tensor, mean: torch.Tensor, variance: float, samples: int) -> torch.Tensor:
    """The log weights (samples, batch) of q = N(mean, variance) for p(z) = N(0, 1), p(x | z) = N(z, 1)."""
    log_variance = torch.full_like(mean, np.log(variance))
    rows = []
    for seed in range(samples):
        noise = randn(*mean.shape, seed=seed)
        z = sample(mean, log_variance, noise)
        rows.append(Normal(z, 1.0).log_prob(x).sum(1) + log_prior_ratio(z, noise, log_variance))
    return torch.stack(rows)


def test_with_the_exact_posterior_every_weight_and_so_every_bound_is_the_log_likelihood() -> None:
    x = randn(6, 1, seed=9)
    exact = -Normal(0.0, np.sqrt(2)).log_prob(x)[:, 0]  # x = z + noise has the variance 2
    for samples in (1, 7):
        bound = importance_weighted_nats(linear_gaussian(x, x / 2, 0.5, samples))
        assert bound.tolist() == pytest.approx(exact.tolist(), abs=1e-6)


def test_with_another_posterior_the_bound_lies_between_the_likelihood_and_the_elbo() -> None:
    x = randn(5000, 1, seed=99)
    exact = -Normal(0.0, np.sqrt(2)).log_prob(x)[:, 0]
    weights = linear_gaussian(x, torch.zeros_like(x), 1.0, 64)
    elbo, bound = -weights.mean(0), importance_weighted_nats(weights)
    assert (elbo >= bound).all()
    # The closed form: -E log N(x; z, 1) over z of the prior, and no divergence.
    closed = 0.5 * np.log(2 * np.pi) + (x[:, 0] ** 2 + 1) / 2
    assert float(elbo.mean()) == pytest.approx(float(closed.mean()), abs=0.03)
    assert float(exact.mean()) < float(bound.mean()) < float(exact.mean()) + 0.05
    few = importance_weighted_nats(weights[:4]).mean()
    assert float(bound.mean()) < float(few) < float(elbo.mean())


def test_many_samples_give_the_likelihood_of_bernoulli_pixels_that_integration_gives() -> None:
    """Two pixels, one hidden number, logits (3 z, 1 - z)."""
    pixels = torch.tensor([[1.0, 0.0]])

    def joint(z: float) -> float:
        white, other = 1 / (1 + np.exp(-3 * z)), 1 / (1 + np.exp(-(1 - z)))
        return float(white * (1 - other) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))

    exact = -np.log(integrate.quad(joint, -10, 10)[0])
    mean, log_variance = torch.tensor([[0.8]]), torch.tensor([[-0.4]])
    noise = randn(100_000, 1).float()
    z = sample(mean, log_variance, noise)
    weights = -bernoulli_nats(torch.cat([3 * z, 1 - z], dim=1), pixels.expand(len(z), 2))
    weights = weights + log_prior_ratio(z, noise, log_variance.expand_as(z))
    assert float(importance_weighted_nats(weights[:, None])) == pytest.approx(exact, abs=0.005)
