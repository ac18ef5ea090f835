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

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def onnx(subject: ModelSubject) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise SkipCheckError(f"{', '.join(missing)} not installed: pip install 'zoo-core[onnx]'")
    import onnxruntime
    import torch

    from zoo_core.checks.inference import refuse_far

    started, path = subject.trained, subject.folder / "model.onnx"
    x = started.example()
    if not isinstance(x, torch.Tensor):
        raise NotApplicableError("its input is not one tensor")
    answers = started.answers(x)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(started.model, (x,), path, dynamo=True, verbose=False)
    # The exporter raises whatever its many parts do.
    except Exception as error:
        raise CheckFailedError(f"it cannot be exported: {_root(error)}") from error
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: x.contiguous().numpy()})
    for one, other in zip(answers, found, strict=True):
        refuse_far(torch.from_numpy(other), one, "the exported model answers otherwise")


def _root(error: BaseException) -> str:
    """The first line of the cause at the bottom: what the exporter says itself is the same of every model."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
