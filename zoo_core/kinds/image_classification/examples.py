"""Drawn examples of kind `image-classification`."""

from __future__ import annotations

import numpy as np

from zoo_core.columns import Array, Columns
from zoo_core.kinds.examples import noisy_images
from zoo_core.specs import Signature


def draw(signature: Signature, count: int, seed: int) -> Columns:
    """Draw `count` images of noise whose brightness depends on the class."""
    shape, classes = tuple(size or 1 for size in signature.input_shape), signature.outputs or 1
    y: Array = np.arange(count) % classes
    return {"x": noisy_images(y[:, None, None, None], shape, classes, np.random.default_rng(seed)), "y": y}
