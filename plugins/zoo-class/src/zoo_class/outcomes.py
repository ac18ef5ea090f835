"""What became of each attempt and each student: one list, written after every run and read by all other commands."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from zoo_class.places import Part, Places
from zoo_core.errors import UsageError
from zoo_core.files import read_regular, write_atomically
from zoo_core.results.records import Record, Status

MAX_BYTES = 64 << 20
# Of a record; or of an attempt that did not run: handed in too late, not to be read as a model, only the template, or
# replaced by another attempt; or of a student without any.
Became: TypeAlias = Status | Literal["late", "unreadable", "template", "not counted", "missing"]
WORDS: dict[str, str] = {
    "ok": "ran",
    "diverged": "its numbers became infinite or no numbers",
    "error": "it failed",
    "crashed": "its process died",
    "timeout": "it took too long",
    "out_of_memory": "it took too much memory",
    "interrupted": "the run was stopped; the next run continues here",
    "skipped": "it did not run; the next run tries again",
    "late": "handed in too late",
    "unreadable": "it cannot be read as a model",
    "template": "it has no code of its own beside the template",
    "not counted": "another attempt counts",
    "missing": "nothing was handed in",
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt; of a student without one, `attempt` is 0.

    counts: whether it is the one of its student that counts. model: its name in records, without the plugin.
    records: ids, one for each seed. score: the mean over seeds, with its 95 % interval from `low` to `high`.
    notes: what was changed to read it.
    """

    name: str
    alias: str
    status: Became
    reason: str = ""
    email: str = ""
    id: str = ""
    attempt: int = 0
    attempts: int = 0
    time: str = ""
    days_late: int = 0
    counts: bool = False
    model: str = ""
    digest: str = ""
    records: list[str] = []
    score: float | None = None
    low: float | None = None
    high: float | None = None
    notes: list[str] = []


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of a run, in the order of the roster, with the task's metric."""

    part: Part
    task: str
    metric: str
    higher_is_better: bool
    outcomes: list[Outcome]

    @property
    def counting(self) -> list[Outcome]:
        """One for each student."""
        return [outcome for outcome in self.outcomes if outcome.counts]


def of_records(records: Sequence[Record]) -> tuple[Status, str, float | None]:
    """Return status, reason and mean score of an attempt's trials. One that is not ok decides all three."""
    scores = [record.score for record in records if record.status == "ok" and record.score is not None]
    bad = next((record for record in records if record.status != "ok"), None)
    if bad is not None:
        return bad.status, bad.reason, None
    return "ok", "", statistics.fmean(scores) if scores else None


def mark_counting(outcomes: Sequence[Outcome], *, best: bool, higher_is_better: bool) -> list[Outcome]:
    """Mark the outcome of one student that counts: of those that ran, the best, or else the latest."""
    ran = [item for item in outcomes if item.records]
    scored = [item for item in ran if item.score is not None]
    if best and scored:
        chosen = max(scored, key=lambda item: ((item.score or 0.0) * (1 if higher_is_better else -1), item.attempt))
    else:
        unreadable = [item for item in outcomes if item.status in ("unreadable", "template")]
        chosen = max(ran or unreadable or outcomes, key=lambda item: item.attempt)
    return [msgspec.structs.replace(item, counts=item is chosen) for item in outcomes]


def save_outcomes(places: Places, outcomes: Outcomes) -> None:
    places.private.mkdir(parents=True, exist_ok=True)
    write_atomically(
        places.outcomes(outcomes.part), msgspec.json.format(msgspec.json.encode(outcomes), indent=1) + b"\n"
    )


def load_outcomes(places: Places, part: Part) -> Outcomes:
    """Read what the last run on a part wrote. Raises UsageError if there was none."""
    command = f"`zoo class run {places.root}" + (" --part private`" if part == "private" else "`")
    try:
        return msgspec.json.decode(read_regular(places.outcomes(part), MAX_BYTES), type=Outcomes)
    except FileNotFoundError:
        raise UsageError(f"nothing has run on the {part} part yet: {command}") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{places.outcomes(part)} cannot be read ({error}): {command} writes it anew") from None
