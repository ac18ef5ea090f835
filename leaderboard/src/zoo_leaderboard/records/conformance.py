"""How plugins passed `zoo check`, as `zoo check --record` noted it beside the records."""

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
    """A plugin's level, of which version, and what it means."""

    level: str
    version: str
    meaning: str


def read_conformance(results: Sequence[Path]) -> dict[str, Conformance]:
    """By plugin, the last folder's where several noted it. Raises UsageError for a file that the zoo did not write."""
    return {name: found for folder in results for name, found in _noted(folder / CONFORMANCE).items()}


def _noted(path: Path) -> dict[str, Conformance]:
    try:
        noted = json.loads(path.read_bytes())
        return {str(name): _conformance(note) for name, note in noted.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(f"{path} is not what `zoo check --record` writes ({error}): remove it") from error


def _conformance(note: Any) -> Conformance:
    level = note["level"]
    return Conformance(level=level, version=str(note["version"]), meaning=MEANING[level])
