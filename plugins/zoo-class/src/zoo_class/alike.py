"""Points at submissions that are alike, and says in what. It is a place to look, never a verdict.

Compared are the units of the code that are not in the template (code.py), the predictions on the public test data, and
the trained weights. Equal architectures that were trained from the same seeds are equal in all of them: a small network
may be somebody else's by chance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from zoo_class.code import own_units, units_of
from zoo_class.course import all_snapshots
from zoo_class.outcomes import Outcome, load_outcomes
from zoo_class.places import Places
from zoo_class.scores import read_by_id
from zoo_class.settings import read_settings
from zoo_class.snapshots import source_files
from zoo_class.tables import as_csv
from zoo_core.files import open_regular, write_atomically
from zoo_core.results.records import Record
from zoo_core.results.store import Store

KINDS = ("code", "predictions", "weights")
LEAST_SHARE = 0.5  # of the smaller submission's own code that has to be equal
MAX_HEADER_BYTES = 100 << 20
BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """Two attempts of two students, and what is equal, in words."""

    one: Outcome
    other: Outcome
    equal: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Attempts that are linked by pairs of one kind: `code`, `predictions` or `weights`."""

    kind: str
    members: Sequence[Outcome]


def group_alike(pairs: Sequence[Alike]) -> list[Group]:
    """Join the pairs to groups of each kind, so that ten equal attempts are one line and not 45."""
    groups = []
    for kind in KINDS:
        linked: dict[str, list[Outcome]] = {}
        for pair in pairs:
            if any(words.startswith(f"{kind}:") for words in pair.equal):
                one, other = (linked.get(item.model, [item]) for item in (pair.one, pair.other))
                joined = one if one is other else [*one, *other]
                linked |= {item.model: joined for item in joined}
        each = {id(members): members for members in linked.values()}.values()
        groups += [Group(kind=kind, members=members) for members in each]
    return groups


def find_alike(places: Places) -> list[Alike]:
    """Compare all attempts of different students that have run on the public part. Raises UsageError if none has."""
    settings = read_settings(places.settings)
    outcomes = [item for item in load_outcomes(places, "public").outcomes if item.model]
    folder = places.root / settings.submissions.template
    template = units_of(source_files(folder) if settings.submissions.template and folder.is_dir() else {}, least=0)
    code = {name: own_units(files, template) for name, files in all_snapshots(places, outcomes).items()}
    store = Store(places.results("public"))
    records = read_by_id(store)
    results = {
        item.model: _results_of([records[key] for key in item.records if key in records], store) for item in outcomes
    }
    found = []
    for one, other in combinations(outcomes, 2):
        if one.name == other.name:
            continue
        equal = [*_equal_code(code.get(one.model, {}), code.get(other.model, {}))]
        equal += _equal_results(results[one.model], results[other.model])
        if equal:
            found.append(Alike(one=one, other=other, equal=equal))
    return found


def write_alike(places: Places, pairs: Sequence[Alike]) -> None:
    """Write the pairs as `alike.csv`."""
    columns = ("name", "attempt", "other name", "other attempt", "equal")
    rows = [
        dict(zip(columns, (*_who(pair.one), *_who(pair.other), "; ".join(pair.equal)), strict=True)) for pair in pairs
    ]
    write_atomically(places.out / "alike.csv", as_csv(columns, rows))


def _who(item: Outcome) -> tuple[str, int]:
    return item.name, item.attempt


def _equal_code(one: Mapping[str, int], other: Mapping[str, int]) -> Iterator[str]:
    shared = sum(one[unit] for unit in one.keys() & other.keys())
    smaller = min(sum(one.values()), sum(other.values()))
    if smaller and shared >= LEAST_SHARE * smaller:
        count = len(one.keys() & other.keys())
        words = "1 function or class" if count == 1 else f"{count} functions or classes"
        yield f"code: {words}, {100 * shared / smaller:.0f} % of the smaller one, equal but for names"


def _equal_results(one: Mapping[tuple[str, int], str], other: Mapping[tuple[str, int], str]) -> Iterator[str]:
    for what in KINDS[1:]:
        seeds = [key[1] for key in one if key[0] == what and one[key] == other.get(key)]
        if seeds:
            yield f"{what}: equal bit for bit, with seed {', '.join(map(str, seeds))}"


def _results_of(records: Sequence[Record], store: Store) -> dict[tuple[str, int], str]:
    """Return hashes by what they are of and the seed."""
    found: dict[tuple[str, int], str] = {}
    for record in records:
        folder = store.artifacts(record)
        predictions = _hash_of_predictions(folder / "per_example.npz") if record.measured.per_example else ""
        weights = hash_of_weights(folder / record.measured.checkpoint) if record.measured.checkpoint else ""
        found |= {
            key: value
            for key, value in ((("predictions", record.seed), predictions), (("weights", record.seed), weights))
            if value
        }
    return found


def _hash_of_predictions(path: Path) -> str:
    """Hash the answers, or where a kind has none the scores by example; "" if the file cannot be read."""
    import numpy as np

    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as kept:
            array = kept["answer"] if "answer" in kept.files else kept["score"]
    except Exception:  # the file may be anything
        return ""
    if len(np.unique(array, axis=0)) < 2:  # one answer for everything is nobody's idea
        return ""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def hash_of_weights(path: Path) -> str:
    """Hash the tensors of a safetensors file, whatever they are called; "" if it cannot be read or has none.

    The file begins with the length of a JSON header (8 bytes), which has type, shape and place of each tensor.
    """
    try:
        with open_regular(path, follow_links=False) as file:
            size = int.from_bytes(file.read(8), "little")
            if size > MAX_HEADER_BYTES:
                return ""
            header: dict[str, Any] = json.loads(file.read(size))
            header.pop("__metadata__", None)
            parts = []
            for tensor in header.values():
                begin, end = tensor["data_offsets"]
                file.seek(8 + size + begin)
                digest, left = hashlib.sha256(), end - begin
                while left > 0 and (block := file.read(min(BLOCK, left))):
                    digest.update(block)
                    left -= len(block)
                parts.append(f"{tensor['dtype']} {tensor['shape']} {digest.hexdigest()}")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest() if parts else ""
