"""The result of a run: its records, and what the machine or a limit of time kept from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from zoo_core.results.records import FAILED, Record

# What a fault of the machine costs a trial, after "1 trial".
NOT_RUN = "did not run"
NOT_FINISHED = "did not finish"
NO_FILES = "lost pictures, checkpoint or other files, which --force makes anew"
NO_RECORD = "could not be saved"


@dataclass(slots=True)
class Outcome:
    """The result of a run: new records, records that existed before, and whether Ctrl-C ended it.

    refused: new records of trials that ran, but not the code that was planned, so that they have no result.
    faults: faults of the machine, such as a full disk -> what they cost, in words about trials, with the number of
        trials. unsaved: new records that could not be saved, so that only this object has them.
    logged: the name of each logger that has written everything, and where to look.
    left: number of trials that did not fit into `--limit`.
    """

    new: list[Record] = field(default_factory=list)
    recorded: list[Record] = field(default_factory=list)
    refused: list[Record] = field(default_factory=list)
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    unsaved: list[Record] = field(default_factory=list)
    interrupted: bool = False
    logged: Sequence[tuple[str, str]] = ()
    left: int = 0

    def note_fault(self, fault: str, cost: str) -> None:
        """Note what a fault of the machine cost one trial."""
        self.faults.setdefault(fault, Counter())[cost] += 1

    @property
    def records(self) -> list[Record]:
        """All records, earlier ones first."""
        return [*self.recorded, *self.new]

    @property
    def failed(self) -> list[Record]:
        """Records of trials that failed or were interrupted, also of earlier runs."""
        return [record for record in self.records if record.status in FAILED]
