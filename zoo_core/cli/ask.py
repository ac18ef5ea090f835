"""Runs a job in a worker for a command; a failure in a plugin's code ends the command with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from zoo_core.errors import FAILURE
from zoo_core.ui.console import complain, messages
from zoo_core.ui.harmless import harmless

if TYPE_CHECKING:
    from zoo_core.runner.executor import LocalExecutor


def ask_worker(executor: LocalExecutor, job: Any) -> Any:
    """Run a job and return its result. If its code raised or the worker died, print why and exit with 1."""
    try:
        return executor.ask(job)
    except RuntimeError as error:
        for traceback in getattr(error, "__notes__", ()):
            messages().print(harmless(traceback))
        complain(str(error).strip())
        raise typer.Exit(FAILURE) from error
