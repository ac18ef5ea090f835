"""Writes models into files that other programs run: ONNX and torch.export. Torch-free; packages load where needed."""

from __future__ import annotations

from importlib.util import find_spec

from zoo_core.errors import UsageError

ONNX, PROGRAM, SAFETENSORS = "onnx", "torch-export", "safetensors"
SUFFIXES = {ONNX: ".onnx", PROGRAM: ".pt2", SAFETENSORS: ".safetensors"}  # of the files of each format
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TRACED = 2  # examples in the batch that an exporter sees; a batch of one would be taken for a constant
TOLERANCE = 1e-3  # largest difference between a file and the model, as a share of the largest output
INSTALL = "pip install 'zoo-core[onnx]'"


def missing_onnx_packages() -> list[str]:
    """Return the packages that ONNX needs and that are not installed."""
    return [name for name in ONNX_PACKAGES if find_spec(name) is None]


def require_packages(form: str) -> None:
    """Raise UsageError, with the command that installs them, if packages for a format are missing."""
    missing = missing_onnx_packages() if form == ONNX else []
    if missing:
        raise UsageError(f"{form} needs {', '.join(missing)}: {INSTALL}")
