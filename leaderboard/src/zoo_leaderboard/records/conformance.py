"""Reads the results of `zoo check --record`, which lie in the results folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from zoo_core.files import read_regular
from zoo_core.results.bounds import Name
from zoo_core.results.reading import MAX_NOTE_BYTES, error_words
from zoo_core.results.store import CONFORMANCE, Unreadable

Level: TypeAlias = Literal["full", "expected", "partial", "failing"]
MEANING: Mapping[Level, str] = {
    "full": "passed all checks that apply",
    "expected": "fails only the checks that its author expects to fail",
    "partial": "passed every check that could run",
    "failing": "fails checks",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Conformance:
    """A plugin's conformance level, the checked version of the plugin, and the meaning of the level."""

    level: str
    version: str
    meaning: str


class _Note(msgspec.Struct):
    """A plugin's entry in the file, as far as the pages show it."""

    level: Level
    version: Name


def read_conformance(results: Sequence[Path]) -> tuple[dict[str, Conformance], list[Unreadable]]:
    """Read the conformance of each plugin, and the files that `zoo check --record` did not write.

    A later folder overrides an earlier one.
    """
    levels: dict[str, Conformance] = {}
    unreadable = []
    for path in (folder / CONFORMANCE for folder in results):
        try:
            notes = msgspec.json.decode(read_regular(path, MAX_NOTE_BYTES), type=dict[Name, _Note])
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            reason = f"not what `zoo check --record` writes ({error_words(error)}): remove it"
            unreadable.append(Unreadable(path, reason))
            continue
        for name, note in notes.items():
            levels[name] = Conformance(level=note.level, version=note.version, meaning=MEANING[note.level])
    return levels, unreadable
