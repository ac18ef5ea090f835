"""Shows the progress of a run in a notebook: one output that is redrawn, without widgets."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import escape
from types import TracebackType
from typing import Any

from zoo_core.results.records import Record
from zoo_core.runner.events import Evaluated, Event, PhaseBegan, Progress
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.ui.progress import ending_text, rate_text, trial_title, val_score_text

MIN_REDRAW_S = 0.25
MAX_ENDED_TRIALS = 10  # shown; older ones are counted


def is_notebook() -> bool:
    """Return whether this process is a notebook's kernel, which shows HTML."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


@dataclass(slots=True)
class RunningTrial:
    """What is shown of a running trial. `share`: of its training that is done, in [0, 1]."""

    title: str
    state: dict[str, str] = field(default_factory=dict)
    share: float = 0.0


class NotebookDisplay:
    """A Listener that shows the ended trials and a bar for each running one. Use it as a context manager."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._ended: list[str] = []
        self._running: dict[tuple[str, str], RunningTrial] = {}
        self._note, self._drawn = "starting", 0.0

    def __enter__(self) -> NotebookDisplay:
        from IPython.display import HTML, display

        self._handle = display(HTML(self.html()), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.clear()
        self._draw()

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._note = ""
        self._running[trial.identity] = RunningTrial(f"[{number}/{total}] {trial.name}")
        self._draw()

    def on_event(self, trial: PlannedTrial, event: Event) -> None:
        running = self._running[trial.identity]
        if isinstance(event, PhaseBegan):
            running.state["phase"] = event.name
        elif isinstance(event, Progress):
            running.share = event.share
            running.state |= {"step": f"step {event.step}", "rate": rate_text(event.rate, trial.task.unit)}
        elif isinstance(event, Evaluated) and event.point.val_score is not None:
            running.state["score"] = val_score_text(event.point.val_score, trial.task.metric)
        if time.monotonic() - self._drawn > MIN_REDRAW_S:
            self._draw()

    def finished(self, trial: PlannedTrial, record: Record) -> None:
        self._running.pop(trial.identity, None)
        self._ended.append(f"{trial_title(record)}  {ending_text(record)}")
        self._draw()

    def html(self) -> str:
        """Return the current output as HTML. Escapes all names, because plugins choose them."""
        lines = [escape(line) for line in self._ended[-MAX_ENDED_TRIALS:]]
        if len(self._ended) > MAX_ENDED_TRIALS:
            lines.insert(0, f"... {len(self._ended) - MAX_ENDED_TRIALS} more")
        for running in self._running.values():
            bar = f'<progress value="{running.share:.3f}" max="1"></progress>'
            lines.append(f"{escape(running.title)} {bar} {escape('  '.join(running.state.values()))}")
        if self._note and not lines:
            lines.append(escape(self._note))
        return "<pre>" + "\n".join(lines) + "</pre>"

    def _draw(self) -> None:
        from IPython.display import HTML

        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(HTML(self.html()))
