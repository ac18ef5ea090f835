"""What both formats share: names of axes, the quiet call of an exporter, and the reason why it failed."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core.errors import ExportError, machine_error_of
from zoo_core.quote import brief
from zoo_core.reasons import reason_of

Axes = Mapping[str, Mapping[int, str]]  # by the name of an input, the names of its axes that may have any length
# What torch's errors mean: a part of their text -> the cause, in words.
CAUSES = {
    "data-dependent": "its forward decides by the values of its inputs",
    "Constraints violated": "its forward works only for sizes as in the example that was traced",
    "inferred a static shape": "its forward works only for sizes as in the example that was traced",
    "specialized": "its forward works only for sizes as in the example that was traced",
    "could not guard on": "its forward decides by the values of its inputs",
}

ADVICE = re.compile(r" (\(unhinted|Caused by:|For more information).*")  # of torch, for those who know its insides


def capture(module: nn.Module, inputs: Sequence[Tensor], axes: Axes) -> torch.export.ExportedProgram:
    """Trace a module in evaluation mode as a graph of operators. Axes with a name may have any length in it.

    Raises ExportError with the reason.
    """
    shapes = tuple(dict.fromkeys(named, torch.export.Dim.DYNAMIC) for named in axes.values())
    with exporting("torch.export"):
        return torch.export.export(module, tuple(inputs), dynamic_shapes=shapes, strict=False)


@contextlib.contextmanager
def exporting(what: str) -> Iterator[None]:
    """Call an exporter in the block, without what it prints, logs and warns of. Raises ExportError with the reason."""
    disabled, has_fast_path = logging.root.manager.disable, torch.backends.mha.get_fastpath_enabled()
    logging.disable(logging.WARNING)
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole layer of a transformer, which ONNX lacks
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    # Exporters raise any type of exception.
    except Exception as error:
        if machine_error_of(error) is not None:
            raise
        raise ExportError(f"the model cannot be exported with {what}: {explain(error)}") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(has_fast_path)
        logging.disable(disabled)


def explain(error: BaseException) -> str:
    """Return the reason of an exporter's error in one line. Exporters wrap it in messages that are always the same."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    reason = brief(ADVICE.sub("", reason_of(first)))
    cause = next((words for part, words in CAUSES.items() if part in f"{error}{first}"), "")
    return f"{cause} ({reason})" if cause else reason


def strip_traces(program: torch.export.ExportedProgram) -> None:
    """Remove from a captured program what tells of this machine and of the data: paths of files, and the examples."""
    for graph_module in program.graph_module.modules():
        graph: Any = getattr(graph_module, "graph", None)
        for node in graph.nodes if graph is not None else ():
            for key in ("stack_trace", "custom"):
                node.meta.pop(key, None)
    program.example_inputs = None
