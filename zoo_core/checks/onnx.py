"""The check of models that needs the extra `onnx`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.checks import CheckFailedError, NotApplicableError, SkipCheckError
from zoo_core.errors import ExportError
from zoo_core.export import INSTALL, missing_onnx_packages

if TYPE_CHECKING:
    from zoo_core.checks.model import ModelSubject


def onnx(subject: ModelSubject) -> None:
    missing = missing_onnx_packages()
    if missing:
        raise SkipCheckError(f"{', '.join(missing)} not installed: {INSTALL}")
    import torch

    from zoo_core.checks.inference import require_close
    from zoo_core.export.onnx_file import OnnxModel, write_onnx

    started, path = subject.trained, subject.folder / "model.onnx"
    x = started.example()
    if not isinstance(x, torch.Tensor):
        raise NotApplicableError("its input is not a single tensor")
    expected_outputs = started.predict(x)
    try:
        write_onnx(started.model, [x], path, axes={"x": {}})
        outputs = OnnxModel(path, threads=1)(x)
    except ExportError as error:
        raise CheckFailedError(str(error)) from error
    for expected, actual in zip(expected_outputs, outputs, strict=True):
        require_close(actual, expected, "the exported model gives other outputs")
