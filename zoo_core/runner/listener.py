"""Who listens to a run: a display, and the loggers beside it."""

from __future__ import annotations

from typing import Protocol

from zoo_core.results.records import Record
from zoo_core.runner.events import Event
from zoo_core.runner.planned_trial import PlannedTrial


class Listener(Protocol):
    """Displays or logs a run. The run calls each method when its event happens, never two at once.

    With `--jobs`, calls about several trials alternate; `PlannedTrial.identity` tells them apart.
    """

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        """A trial began, `number` of `total`, counted from 1."""

    def on_event(self, trial: PlannedTrial, event: Event) -> None:
        """The worker of a trial sent an event."""

    def finished(self, trial: PlannedTrial, record: Record) -> None:
        """A trial ended or was skipped, and this is its record."""


class NoDisplay:
    """A Listener that displays nothing."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None: ...

    def on_event(self, trial: PlannedTrial, event: Event) -> None: ...

    def finished(self, trial: PlannedTrial, record: Record) -> None: ...
