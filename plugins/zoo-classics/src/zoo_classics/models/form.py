"""The small-image form of nets that were made for 224 pixels.

Five times, these nets halve the image: 224 pixels become 7. At 32 pixels one position would be left, and at 28 none. So
below `ORIGINAL_SIZE` a net keeps its layers but changes its stem, the layers before the first block, which halve twice:
below `HALVING_SIZE` the stem does not halve, and from there on once. What remains is at least 4x4. VGG has no stem: it
halves after each block, also in the small form, as Liu and Deng 2015 (ACPR, doi 10.1109/ACPR.2015.7486599) do.

The small form also has a quarter of the channels unless the option `width` says otherwise: without the stem's halving,
ResNet-18 needs a third of the multiplications for 32 pixels that it needs for 224. He et al. 2015 (arXiv:1512.03385,
section 4.2) do the same: their nets for CIFAR-10 begin with 16 channels instead of 64.
"""

from __future__ import annotations

from collections.abc import Callable

from zoo_core import Signature

ORIGINAL_SIZE = 128  # pixels of the shorter side, from which on a net has its original form
HALVING_SIZE = 64  # pixels, from which on the stem of the small form halves the image once
SMALL_WIDTH = 0.25  # channels of the small form, as a share of the original's

Widen = Callable[[int], int]


def is_small(signature: Signature) -> bool:
    """Whether images of this size get the small form."""
    return _shorter_side(signature) < ORIGINAL_SIZE


def small_stem_halves(signature: Signature) -> bool:
    """Whether the stem of the small form halves the image."""
    return _shorter_side(signature) >= HALVING_SIZE


def widen_by(width: float, signature: Signature) -> Widen:
    """Return the function from the original's number of channels to that of the net, at least 1.

    width: the share of the original's channels; 0 stands for 1 in the original form, `SMALL_WIDTH` in the small one.
    """
    share = width or (SMALL_WIDTH if is_small(signature) else 1.0)
    return lambda channels: max(1, round(channels * share))


def _shorter_side(signature: Signature) -> int:
    return min(size or 1 for size in signature.input_shape[1:])  # known, because the data are open
