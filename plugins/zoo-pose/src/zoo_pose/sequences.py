"""Sequences of joints as numbers: lost frames mended, time resampled, bodies centred and brought to one size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_core.data.columns import Array, Ragged

LEAST_SIZE = 1e-6  # of a body all of whose joints are in one place
LEAST_FRAMES = 2


def mended(frames: Array) -> Array | None:
    """Frames without gaps: (frames, joints, axes), NaN where a joint was lost; None where fewer than two are left.

    Frames without any joint are cut off at both ends. Between them, and joint by joint, the time between the nearest
    frames is interpolated linearly; before its first and after its last a joint stays where it was. A joint that was
    never seen is put in the middle of the frame's others.
    """
    seen = np.flatnonzero(~np.isnan(frames).all(axis=(1, 2)))
    if len(seen) < LEAST_FRAMES:
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


def ragged(sequences: Sequence[Array]) -> Ragged:
    """Sequences (frames, joints, axes) of different lengths as one column."""
    offsets = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]).astype(np.int64)
    return Ragged(np.concatenate(sequences).astype(np.float32), offsets)


def prepared(sequence: Array, root: Sequence[int], frames: int) -> Array:
    """What a model of `pose` sees: float32 (frames, joints, axes), without place and size of the body.

    Evenly resampled over its time, minus the mean of the root's place over time, over the joints' root mean square
    distance from the root in the same frame.
    """
    centre = sequence[:, list(root)].mean(axis=1, keepdims=True)
    size = np.sqrt(((sequence - centre) ** 2).sum(axis=2).mean())
    return resampled((sequence - centre.mean(axis=0)) / max(float(size), LEAST_SIZE), frames)


def resampled(sequence: Array, frames: int) -> Array:
    """Linear interpolation to `frames` frames, from the first to the last: float32 (frames, ...)."""
    places = np.linspace(0, len(sequence) - 1, frames)
    before = np.minimum(places.astype(np.int64), max(len(sequence) - 2, 0))
    share = (places - before).astype(np.float32).reshape(-1, *[1] * (sequence.ndim - 1))
    after = np.minimum(before + 1, len(sequence) - 1)
    between: Array = sequence[before] * (1 - share) + sequence[after] * share
    return between.astype(np.float32)
