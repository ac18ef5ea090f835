"""The hardware as the pages name it: times of CPUs with other instruction sets are not put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from zoo_leaderboard.records.trials import MAX_LABEL_CHARS, summarise_trial

from zoo_core.results.records import Record


def on(record: Record, features: Any) -> Record:
    return msgspec.structs.replace(record, environment={"machine": "0123abcd", "cpu_features": features})


@pytest.mark.parametrize(
    ("device", "features", "label"),
    [
        ("cpu", ["AVX-512", "AMX"], "A processor (AVX-512, AMX)"),
        ("cpu", [], "A processor"),
        ("cpu", None, "A processor"),
        ("cpu", "AMX", "A processor"),  # not as the zoo writes it
        ("cpu", [1, {}, "AMX"], "A processor (AMX)"),
        ("cuda", ["AVX-512", "AMX"], "A processor"),
    ],
)
def test_a_cpu_is_named_with_its_instruction_sets(
    record: Callable[..., Record], device: str, features: Any, label: str
) -> None:
    assert summarise_trial(on(record(device=device), features), "a.json").device_name == label


def test_a_long_list_of_instruction_sets_is_cut(record: Callable[..., Record]) -> None:
    label = summarise_trial(on(record(), ["A" * 10_000]), "a.json").device_name
    assert len(label) < MAX_LABEL_CHARS + 20


def test_times_of_cpus_that_differ_in_their_instruction_sets_are_of_two_places(
    record: Callable[..., Record],
) -> None:
    one, other, same = (
        summarise_trial(on(record(seed=seed, minute=seed), features), "a.json")
        for seed, features in enumerate((["AVX2"], ["AVX2", "AMX"], ["AVX2"]))
    )
    assert one.place == same.place
    assert one.place != other.place
    assert other.place_words == "A processor (AVX2, AMX) (machine 0123abcd)"
