"""The check of models that needs the extra `onnx`."""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from zoo_core.checks import CheckFailedError, NotApplicableError, SkipCheckError

if TYPE_CHECKING:
    from zoo_core.checks.model import ModelSubject

REQUIRED_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def onnx(subject: ModelSubject) -> None:
    missing = [name for name in REQUIRED_PACKAGES if find_spec(name) is None]
    if missing:
        raise SkipCheckError(f"{', '.join(missing)} not installed: pip install 'zoo-core[onnx]'")
    import onnxruntime
    import torch

    from zoo_core.checks.inference import require_close

    started, path = subject.trained, subject.folder / "model.onnx"
    x = started.example()
    if not isinstance(x, torch.Tensor):
        raise NotApplicableError("its input is not a single tensor")
    expected_outputs = started.predict(x)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(started.model, (x,), path, dynamo=True, verbose=False)
    # The exporter can raise any type of exception.
    except Exception as error:
        raise CheckFailedError(f"the model cannot be exported: {_first_cause(error)}") from error
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: x.contiguous().numpy()})
    for expected, actual in zip(expected_outputs, outputs, strict=True):
        require_close(torch.from_numpy(actual), expected, "the exported model gives other outputs")


def _first_cause(error: BaseException) -> str:
    """Return the first line of the original exception. The exporter wraps it in a message that is always the same."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
