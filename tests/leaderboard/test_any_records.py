"""Arbitrary records, JSON, bytes and numbers: what is read is written alike, and tables and statistics never raise."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo_leaderboard.board.standing import standings
from zoo_leaderboard.board.tables import Versions, task_board
from zoo_leaderboard.records.trials import summarise_trial

from zoo_core.errors import RecordError, ZooError
from zoo_core.results.benchmarks import read_benchmarks
from zoo_core.results.bounds import plain_values, utc_time
from zoo_core.results.records import Latency, Load, Record, decode, encode

MANY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANY_INT = st.integers() | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**30])
JSON = st.recursive(
    st.none() | st.booleans() | ANY_INT | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
FINITE = st.none() | NUMBER
STATUSES = ["ok", "diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted", "skipped"]


@MANY
@given(recipe=st.dictionaries(st.text(max_size=8), JSON, max_size=4), environment=st.dictionaries(st.text(), JSON))
def test_what_is_read_once_is_read_alike_ever_after(record: Any, recipe: Any, environment: Any) -> None:
    made = msgspec.structs.replace(record(), recipe=recipe, environment=environment)
    once = decode(encode(made))
    assert decode(encode(once)) == once
    msgspec.msgpack.encode(once)  # which holds no integer of more than 64 bits


@MANY
@given(JSON)
def test_any_json_is_a_record_or_a_record_error(value: Any) -> None:
    with pytest.raises(RecordError):
        decode(json.dumps(value).encode("utf-8", "surrogatepass"))


@MANY
@given(st.data())
def test_a_record_with_any_value_in_place_of_one_is_a_record_or_a_record_error(record: Any, data: Any) -> None:
    plain = json.loads(encode(record(curve=[(1, 0.5, 0.5)], measured_latency=Latency(median_ms=1.0, p95_ms=2.0, n=3))))
    inside = plain
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(inside[key], dict | list) or not inside[key] or data.draw(st.booleans()):
            break
        inside = inside[key]
    inside[key] = data.draw(JSON)
    try:
        found = decode(json.dumps(plain).encode("utf-8", "surrogatepass"))
    except RecordError:
        return
    trial = summarise_trial(found, "results/t/x.json")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(trial), type=type(trial)) == trial
    board = task_board([trial], Versions(tasks={}, datasets={}, models={}))
    standings(board.groups)


@st.composite
def odd_records(draw: st.DrawFn, make: Any) -> Record:
    number = draw(st.integers(0, 10**6))
    return make(
        status=draw(st.sampled_from(STATUSES)),
        score=draw(FINITE),
        seed=draw(st.integers(0, 3)),
        minute=number % 600,
        model=draw(st.sampled_from(["a:x", "a:y", "z"])),
        device=draw(st.sampled_from(["cpu", "cuda"])),
        train_s=draw(FINITE),
        recipe={"lr": draw(JSON)},
        model_version=draw(st.integers(0, 2)),
        model_parameters=draw(st.none() | st.integers(0, 2**63 - 1)),
        measured_throughput=draw(FINITE),
        measured_load=draw(st.none() | st.builds(Load, cpu_s=NUMBER, wall_s=NUMBER)),
        environment_machine=draw(st.sampled_from(["", "m1", "m2"])),
    )


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of numbers near the largest
def test_the_board_of_any_records_has_a_row_for_each_model(record: Any, data: Any) -> None:
    made = data.draw(st.lists(odd_records(record), min_size=1, max_size=8))
    read = [decode(encode(item)) for item in made]
    trials = [summarise_trial(item, f"results/t/{number}.json") for number, item in enumerate(read)]
    board = task_board(trials, Versions(tasks={}, datasets={}, models={}))
    ranked = standings(board.groups)
    shown = {row.model for standing in ranked.values() for row in standing.rows} | {
        trial.model for trial in board.skipped
    }
    assert shown == {trial.model for trial in trials}


@MANY
@given(JSON)
def test_any_json_is_a_benchmark_file_or_an_error_in_words(value: Any) -> None:
    for content in (
        value,
        {"datetime": value, "benchmarks": [value]},
        {"datetime": "2026-01-01", "benchmarks": [value]},
    ):
        with contextlib.suppress(ZooError):
            assert read_benchmarks(json.dumps(content).encode()).records == []


@MANY
@given(st.text(max_size=40) | st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat()))
def test_a_time_is_in_utc_or_refused(text: str) -> None:
    try:
        found = utc_time(text)
    except ValueError:
        return
    assert utc_time(found) == found
    assert found.endswith("+00:00")
    assert len(found) == 32


@MANY
@given(JSON)
def test_plain_values_differ_only_in_large_integers(value: Any) -> None:
    assert _text(plain_values([value], "it")) == _text([_with_floats(value)])


def _text(value: Any) -> str:
    return json.dumps(value)


def _with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value


def test_values_that_nest_too_deep_or_are_too_many_are_refused_with_their_name() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    for value in (deep, {"a": list(range(30_000))}):
        with pytest.raises(ValueError, match=r"its recipe holds more than 20,000 values, or nests them deeper than 32"):
            plain_values(value, "its recipe")
