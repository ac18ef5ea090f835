"""Contents of zoo-tensorboard: the logger `tensorboard`. Imports no tensorboard."""

from __future__ import annotations

from zoo_core import LoggerSpec, hookimpl


@hookimpl
def zoo_loggers() -> list[LoggerSpec]:
    return [
        LoggerSpec(
            name="tensorboard",
            summary="Event files for TensorBoard: curves, final numbers, hyper-parameters, pictures, texts",
            target="a folder, by default runs",
            needs=("tensorboard",),
            entry="zoo_tensorboard.logger:TensorBoardLogger",
        )
    ]
