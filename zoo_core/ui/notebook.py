"""Shows the progress of a run in a notebook: one output that is redrawn, without widgets."""

from __future__ import annotations

import time
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


class NotebookDisplay:
    """A Listener that shows the ended trials and a bar for the running one. Use it as a context manager."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._ended: list[str] = []
        self._trial, self._metric, self._unit = "starting", "", ""
        self._state: dict[str, str] = {}
        self._share, self._drawn = 0.0, 0.0

    def __enter__(self) -> NotebookDisplay:
        from IPython.display import HTML, display

        self._handle = display(HTML(self.html()), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trial = ""
        self._draw()

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        self._trial = f"[{number}/{total}] {trial.name}"
        self._metric, self._unit = trial.task.metric, trial.task.unit
        self._state, self._share = {}, 0.0
        self._draw()

    def on_event(self, event: Event) -> None:
        if isinstance(event, PhaseBegan):
            self._state["phase"] = event.name
        elif isinstance(event, Progress):
            self._share = event.share
            self._state |= {"step": f"step {event.step}", "rate": rate_text(event.rate, self._unit)}
        elif isinstance(event, Evaluated) and event.point.val_score is not None:
            self._state["score"] = val_score_text(event.point.val_score, self._metric)
        if time.monotonic() - self._drawn > MIN_REDRAW_S:
            self._draw()

    def finished(self, record: Record) -> None:
        self._ended.append(f"{trial_title(record)}  {ending_text(record)}")
        self._draw()

    def html(self) -> str:
        """Return the current output as HTML. Escapes all names, because plugins choose them."""
        lines = [escape(line) for line in self._ended[-MAX_ENDED_TRIALS:]]
        if len(self._ended) > MAX_ENDED_TRIALS:
            lines.insert(0, f"... {len(self._ended) - MAX_ENDED_TRIALS} more")
        if self._trial:
            bar = f'<progress value="{self._share:.3f}" max="1"></progress>'
            lines.append(f"{escape(self._trial)} {bar} {escape('  '.join(self._state.values()))}")
        return "<pre>" + "\n".join(lines) + "</pre>"

    def _draw(self) -> None:
        from IPython.display import HTML

        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(HTML(self.html()))
