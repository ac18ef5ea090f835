"""Distances between real and generated examples: pure functions of numpy arrays."""

from __future__ import annotations

import numpy as np

from zoo_core.data.columns import Array

CHUNK = 2000  # points whose distances to all vertices are in memory at once


def frechet_distance(a: Array, b: Array) -> float:
    """Compute the Fréchet distance of normal distributions fitted to two samples, (n, d) and (m, d), in float64.

    |mu_a - mu_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2). Heusel et al. 2017 write tr (A B)^1/2, which is equal. Small
    samples raise the distance, so compare only values of equal sample sizes.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    cov_a, cov_b = (np.atleast_2d(np.cov(sample, rowvar=False)) for sample in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    means = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return float(max(0.0, means + np.trace(cov_a) + np.trace(cov_b) - 2 * product))


def wasserstein_distance(a: Array, b: Array) -> float:
    """Compute the earth mover's distance of two samples of numbers, (n,) and (m,), in their unit.

    It is the area between the two cumulative distribution functions (Ramdas, Garcia and Cuturi 2017).
    """
    a, b = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))
    both = np.sort(np.concatenate([a, b]))
    share_a = np.searchsorted(a, both[:-1], side="right") / len(a)
    share_b = np.searchsorted(b, both[:-1], side="right") / len(b)
    return float((np.abs(share_a - share_b) * np.diff(both)).sum())


def distance_to_line(points: Array, line: Array) -> tuple[Array, Array]:
    """Return the distance float64 (n,) of points (n, d) to a line through vertices (m, d), and the nearest vertex (n,).

    The distance is to the nearer of the two segments that meet in the nearest vertex. This is exact if the line turns
    little from one vertex to the next.
    """
    points, line = np.asarray(points, np.float64), np.asarray(line, np.float64)
    squares = (line**2).sum(axis=1)
    parts = [points[begin : begin + CHUNK] for begin in range(0, len(points), CHUNK)]
    nearest = np.concatenate([(squares - 2 * part @ line.T).argmin(axis=1) for part in parts])
    ends = ((nearest - 1).clip(0), (nearest + 1).clip(max=len(line) - 1))
    distances = np.stack([_distance_to_segment(points, line[nearest], line[end]) for end in ends])
    return distances.min(axis=0), nearest


def _distance_to_segment(points: Array, begin: Array, end: Array) -> Array:
    """Return each point's distance to its own segment, which may be a single point."""
    along = end - begin
    length = (along**2).sum(axis=1)
    share = ((points - begin) * along).sum(axis=1) / np.where(length > 0, length, 1)
    nearest = begin + share.clip(0, 1)[:, None] * along
    distances: Array = np.sqrt(((points - nearest) ** 2).sum(axis=1))
    return distances


def coverage(counts: Array, expected: Array, min_share: float) -> float:
    """Return the share of bins with at least `min_share` of their expected count; empty expected bins do not count."""
    bins = np.asarray(expected) > 0
    return float((np.asarray(counts)[bins] >= min_share * np.asarray(expected)[bins]).mean())
