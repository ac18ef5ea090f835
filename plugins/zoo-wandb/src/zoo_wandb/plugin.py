"""Contents of zoo-wandb: the logger `wandb`. Imports no wandb."""

from __future__ import annotations

from zoo_core import LoggerSpec, hookimpl


@hookimpl
def zoo_loggers() -> list[LoggerSpec]:
    return [
        LoggerSpec(
            name="wandb",
            summary="Runs of Weights & Biases; they stay on this machine unless WANDB_MODE=online",
            target="a project, by default WANDB_PROJECT or else zoo",
            needs=("wandb",),
            entry="zoo_wandb.logger:WandbLogger",
        )
    ]
