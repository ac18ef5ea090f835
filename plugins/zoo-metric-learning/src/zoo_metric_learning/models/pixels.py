"""Pixels as embeddings: nothing to train, the floor to beat."""

from __future__ import annotations

from torch import nn

from zoo_core import Signature


def pixels(signature: Signature) -> nn.Module:  # noqa: ARG001 - it takes any image
    """Build the model: images (batch, channels, height, width) to their grey levels (batch, values).

    The inputs are normalised by the mean of train, so that a cosine similarity compares strokes, not paper.
    """
    return nn.Flatten()
