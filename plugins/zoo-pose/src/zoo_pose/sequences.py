"""Prepares sequences of joints: fills gaps, resamples time, centres and scales bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_core.data.columns import Array, Ragged

MIN_BODY_SIZE = 1e-6  # avoids division by zero when all joints are in one place
MIN_FRAMES = 2


def fill_gaps(frames: Array) -> Array | None:
    """Fill missing joints, NaN in (frames, joints, axes); return None if fewer than two frames have a joint.

    Frames without any joint are removed at both ends. In between, each joint is interpolated linearly over time; before
    its first and after its last frame it does not move. A joint that is never seen is placed at the mean of the others.
    """
    seen = np.flatnonzero(~np.isnan(frames).all(axis=(1, 2)))
    if len(seen) < MIN_FRAMES:
        return None
    frames = frames[seen[0] : seen[-1] + 1].astype(np.float32)
    time = np.arange(len(frames))
    columns = frames.reshape(len(frames), -1)
    lost = np.isnan(columns)
    for place in np.flatnonzero(lost.any(axis=0) & ~lost.all(axis=0)):
        known = ~lost[:, place]
        columns[:, place] = np.interp(time, time[known], columns[known, place])
    never = np.isnan(frames[0]).any(axis=1)
    frames[:, never] = frames[:, ~never].mean(axis=1, keepdims=True)
    return frames


def to_ragged(sequences: Sequence[Array]) -> Ragged:
    """Put sequences (frames, joints, axes) of different lengths into one column."""
    offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]).astype(np.int64)
    return Ragged(np.concatenate(sequences).astype(np.float32), offsets)


def normalize(sequence: Array, root: Sequence[int], frames: int) -> Array:
    """Make the input of a model of `pose`: float32 (frames, joints, axes), independent of position and body size.

    Subtracts the root's mean position over time, divides by the joints' root mean square distance from the root of the
    same frame, and resamples to `frames` frames.
    """
    centre = sequence[:, list(root)].mean(axis=1, keepdims=True)
    size = np.sqrt(((sequence - centre) ** 2).sum(axis=2).mean())
    return resample((sequence - centre.mean(axis=0)) / max(float(size), MIN_BODY_SIZE), frames)


def resample(sequence: Array, frames: int) -> Array:
    """Interpolate linearly to `frames` evenly spaced frames, from the first to the last: float32 (frames, ...)."""
    places = np.linspace(0, len(sequence) - 1, frames)
    before = np.minimum(places.astype(np.int64), max(len(sequence) - 2, 0))
    share = (places - before).astype(np.float32).reshape(-1, *[1] * (sequence.ndim - 1))
    after = np.minimum(before + 1, len(sequence) - 1)
    between: Array = sequence[before] * (1 - share) + sequence[after] * share
    return between.astype(np.float32)
