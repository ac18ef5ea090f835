"""Readable labels for identifiers in records: metrics, table columns and origins of data."""

from __future__ import annotations

import re

# Only identifiers with an acronym, a proper name or a unit; `as_label` derives the others.
LABELS = {
    "ap50": "AP50",
    "ap50_95": "AP50:95",
    "boundary_f1": "Boundary F1",
    "cpu": "CPU",
    "cpu_ms": "CPU (ms)",
    "device_ms": "Device (ms)",
    "dice": "Dice",
    "f1": "F1",
    "fps": "FPS",
    "frechet": "Fréchet distance",
    "importance_weighted": "Importance-weighted bound (nats)",
    "iou": "IoU",
    "joint_error": "Joint error (m)",
    "last_frame_error": "Last-frame error (m)",
    "mae": "MAE",
    "map50": "mAP50",
    "map50_95": "mAP50:95",
    "map75": "mAP75",
    "mean_dice": "Mean Dice",
    "mean_iou": "Mean IoU",
    "memory_mib": "Memory (MiB)",
    "mse": "MSE",
    "negative_elbo": "Negative ELBO (nats)",
    "psnr": "PSNR (dB)",
    "psnr_gain": "PSNR gain (dB)",
    "r2": "R²",
    "recall50": "Recall at IoU 0.5",
    "recall_at_1": "Recall@1",
    "rmse": "RMSE",
    "share_pct": "Share (%)",
}
ORIGINS = {"copy": "altered copy", "exact": "formula data"}  # other origins: "real data", "synthetic data"
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_ -]*")


def as_label(name: str) -> str:
    """Return the label of an identifier: "Mean IoU" for `mean_iou`, "Pixel accuracy" for `pixel_accuracy`.

    Names that are not lower-case identifiers are returned unchanged.
    """
    if name in LABELS or _IDENTIFIER.fullmatch(name) is None:
        return LABELS.get(name, name)
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def origin_label(origin: str) -> str:
    """Return the label of a data set's origin: "real data" for `real`, "altered copy" for `copy`."""
    return ORIGINS.get(origin, f"{origin} data")
