"""The encoder from scratch of all decoders but the U-Net's: that of `unet`, so that only decoders differ."""

from __future__ import annotations

from collections.abc import Sequence

from zoo_core import IncompatibleError, Signature
from zoo_unet.models.unet import MAX_LEVELS, Encoder


def encoder_from_scratch(signature: Signature, widths: Sequence[int]) -> Encoder:
    """Build the encoder (batch, C, H, W) -> a list of features, largest first, one for each width.

    Raises IncompatibleError for no level, and for more than the images can be halved for.
    """
    if not 1 <= len(widths) <= MAX_LEVELS:
        raise IncompatibleError(f"widths {list(widths)}: an encoder has one to {MAX_LEVELS} levels here")
    return Encoder(signature.input_shape[0] or 1, widths, dropout=0.0)
