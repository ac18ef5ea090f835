"""What a notebook shows of a run: one output that is drawn anew, without widgets."""

from __future__ import annotations

import time
from html import escape
from types import TracebackType
from typing import Any

from zoo_core.results.records import Record
from zoo_core.runner.events import Evaluated, Event, PhaseBegan, Progress
from zoo_core.runner.plan import PlannedTrial
from zoo_core.ui.console import number, score_text
from zoo_core.ui.progress import ending_text

REDRAWN_S = 0.25  # at most so often
SHOWN = 10  # trials that have ended, the last ones


def is_notebook() -> bool:
    """Whether this process is a notebook's kernel, which shows HTML."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


class NotebookDisplay:
    """The trials that ended, and a bar for the one that runs. A listener, and a context in which it is shown."""

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

    def heard(self, event: Event) -> None:
        if isinstance(event, PhaseBegan):
            self._state["phase"] = event.name
        elif isinstance(event, Progress):
            self._share = event.share
            self._state |= {"step": f"step {event.step}", "rate": f"{number(event.rate, 3)} {self._unit}/s"}
        elif isinstance(event, Evaluated) and event.point.val_score is not None:
            self._state["score"] = f"val {self._metric} {score_text(event.point.val_score)}"
        if time.monotonic() - self._drawn > REDRAWN_S:
            self._draw()

    def ended(self, record: Record) -> None:
        names = f"{record.task.name} {record.model.name} {record.device.kind} seed {record.seed}"
        self._ended.append(f"{names}  {ending_text(record)}")
        self._draw()

    def html(self) -> str:
        """All that is shown now; nothing in it that a plugin named is markup."""
        lines = [escape(line) for line in self._ended[-SHOWN:]]
        if len(self._ended) > SHOWN:
            lines.insert(0, f"... {len(self._ended) - SHOWN} more")
        if self._trial:
            bar = f'<progress value="{self._share:.3f}" max="1"></progress>'
            lines.append(f"{escape(self._trial)} {bar} {escape('  '.join(self._state.values()))}")
        return "<pre>" + "\n".join(lines) + "</pre>"

    def _draw(self) -> None:
        from IPython.display import HTML

        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(HTML(self.html()))
