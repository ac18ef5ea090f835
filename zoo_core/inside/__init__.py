"""Looks inside a trained network for images: its layers, their feature maps, and Grad-CAM. The modules import torch."""

from __future__ import annotations

from importlib.util import find_spec

from zoo_core.errors import UsageError

GRAD_CAM, FEATURE_MAPS, MOST_ACTIVATING = SHEETS = ("grad-cam", "feature-maps", "most-activating")  # names of pictures


def require_captum() -> None:
    """Raise UsageError if captum, which computes Grad-CAM, is not installed. This imports nothing."""
    if find_spec("captum") is None:
        raise UsageError("Grad-CAM needs captum, which is not installed: pip install 'zoo-core[inspect]'")
