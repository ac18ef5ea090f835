"""Labels for identifiers from records, as the pages show them: metric names, table columns, origins of data."""

from __future__ import annotations

import re

# Names as records spell them; the pages need their acronyms and units.
LABELS = {
    "dice": "Dice",
    "f1": "F1",
    "fps": "FPS",
    "frechet": "Fréchet distance",
    "iou": "IoU",
    "joint_error": "Joint error (m)",
    "last_frame_error": "Last-frame error (m)",
    "mae": "MAE",
    "mean_dice": "Mean Dice",
    "mean_iou": "Mean IoU",
    "mse": "MSE",
    "r2": "R²",
    "rmse": "RMSE",
}
ORIGINS = {"copy": "altered copy", "exact": "formula data"}  # other origins: "real data", "synthetic data"
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_ ]*")


def as_label(name: str) -> str:
    """The label of an identifier: `mean_iou` gives "Mean IoU", `pixel_accuracy` "Pixel accuracy".

    A name that is no lower-case identifier is shown as it is.
    """
    if name in LABELS or _IDENTIFIER.fullmatch(name) is None:
        return LABELS.get(name, name)
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def origin_label(origin: str) -> str:
    """The label of where data come from: "real data", "altered copy"."""
    return ORIGINS.get(origin, f"{origin} data")
