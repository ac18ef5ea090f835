"""Spreads pooled over many models: each model's variance is moderated towards the one that all of them suggest.

Three seeds before and three after leave four degrees of freedom for one model, too few to find anything after a
correction for many models. Smyth (2004, "Linear models and empirical Bayes methods", the method of limma) takes the
models' true variances as draws from a scaled inverse chi-square distribution with variance s0^2 and d0 degrees of
freedom, estimates both from the sample variances, and replaces each variance s^2 with d degrees of freedom by

    (d0 s0^2 + d s^2) / (d0 + d)   with d0 + d degrees of freedom.

The more alike the models scatter, the larger is d0 and the nearer this is to the pooled variance; if they differ, d0 is
small and each model keeps mostly its own. The estimate of d0 is noisy for few models, and models never scatter exactly
alike, so the logarithms of their variances are taken to differ by at least `MIN_SPREAD`, which limits d0 to 30.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from zoo_leaderboard.stats.variance import Floats

MIN_MODELS = 3  # with fewer sample variances nothing is known about how far they differ
MIN_SPREAD = 0.07  # variance of the logarithms of the true variances: the standard deviations differ by an eighth
LARGEST_TRIGAMMA = 1e7  # above it d0 is below 0.001: nothing is pooled


class Prior(NamedTuple):
    """What the models' variances have in common: s0^2 and its degrees of freedom d0."""

    variance: float
    df: float


def moderate(variances: Floats, dfs: Floats) -> tuple[Floats, Floats]:
    """Return the moderated variances and their degrees of freedom, each array (models,).

    A model without a variance of its own (0 degrees of freedom) gets the common one. With fewer than `MIN_MODELS`
    known variances each model keeps its own. Unknown variances are nan with 0 degrees of freedom.
    """
    usable = (dfs > 0) & (variances > 0)  # 0: a model that repeats exactly says nothing about how others scatter
    if np.count_nonzero(usable) < MIN_MODELS:
        return np.where(dfs > 0, variances, np.nan), dfs
    prior = _fit_prior(variances[usable], dfs[usable])
    most = float(dfs[usable].sum())  # more degrees of freedom than were observed are not known
    own = np.where(dfs > 0, variances, 0.0)
    moderated = (prior.df * prior.variance + dfs * own) / (prior.df + dfs)
    return moderated, np.minimum(prior.df + dfs, most)


def _fit_prior(variances: Floats, dfs: Floats) -> Prior:
    """Estimate s0^2 and d0 from the mean and the variance of the logarithms (Smyth 2004, section 6.2)."""
    logs = np.log(variances) - special.digamma(dfs / 2) + np.log(dfs / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, dfs / 2).mean())
    if excess <= MIN_SPREAD:
        return Prior(float((variances * dfs).sum() / dfs.sum()), 2 * _inverse_trigamma(MIN_SPREAD))
    df = 2 * _inverse_trigamma(excess)
    return Prior(float(np.exp(logs.mean() + special.digamma(df / 2) - np.log(df / 2))), df)


def _inverse_trigamma(value: float) -> float:
    """Return the x above 0 with trigamma(x) = value; trigamma falls from infinity to 0."""
    value = min(value, LARGEST_TRIGAMMA)

    def excess(log_x: float) -> float:
        return float(np.log(special.polygamma(1, np.exp(log_x))) - np.log(value))

    return float(np.exp(optimize.brentq(excess, -20.0, 40.0)))
