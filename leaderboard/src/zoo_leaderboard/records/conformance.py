"""Reads the results of `zoo check --record`, which lie in the results folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.results.store import CONFORMANCE

MEANING = {
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


def read_conformance(results: Sequence[Path]) -> dict[str, Conformance]:
    """Read the conformance of each plugin; a later folder overrides an earlier one.

    Raises:
        UsageError: a file that `zoo check --record` did not write.
    """
    return {name: level for folder in results for name, level in _read_file(folder / CONFORMANCE).items()}


def _read_file(path: Path) -> dict[str, Conformance]:
    try:
        notes = json.loads(path.read_bytes())
        return {str(name): _parse(note) for name, note in notes.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(f"{path} is not what `zoo check --record` writes ({error}): remove it") from error


def _parse(note: Any) -> Conformance:
    level = note["level"]
    return Conformance(level=level, version=str(note["version"]), meaning=MEANING[level])
