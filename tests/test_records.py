"""Records as JSON: round trips, errors for damaged or newer files, and NaN is never written."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.errors import DamagedRecordError, NewerSchemaError
from zoo_core.results import records
from zoo_core.results.records import (
    FAILED,
    FINAL,
    SCHEMA,
    CurvePoint,
    DatasetFacts,
    DeviceFacts,
    Latency,
    Load,
    Measured,
    ModelFacts,
    PhaseFacts,
    Record,
    TableFacts,
    TaskFacts,
    TimeToTarget,
    decode,
    encode,
)

MANY = settings(max_examples=30, deadline=None)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY_FLOAT = st.floats()
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FINITE | st.text(max_size=8)
STATUSES = ["ok", "diverged", "error", "crashed", "timeout", "out_of_memory", "interrupted", "skipped"]


def record(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "id": "0123456789abcdef-machine-20260101000000000000",
        "key": "0123456789abcdef" * 4,
        "status": "ok",
        "started_at": "2026-01-01T00:00:00.000000+00:00",
        "task": TaskFacts(
            name="zoo-x:t",
            title="T",
            summary="",
            version=1,
            kind="regression",
            kind_version=1,
            metric="mse",
            higher_is_better=False,
            unit="examples",
        ),
        "dataset": DatasetFacts(name="zoo-x:d", title="D", version=1, origin="exact", licence="", fingerprint="f" * 32),
        "model": ModelFacts(name="zoo-x:m", title="M", version=1, code_sha256="c" * 64),
        "device": DeviceFacts(kind="cpu"),
        "seed": 0,
        "recipe": {"lr": 0.1, "widths": [64, 64], "normalize": True},
        "recipe_class": "default",
        "budget": "length",
    }
    return Record(**(fields | changes))


FULL = record(
    reason="a reason",
    traceback="Traceback\n",
    budget_s=60.0,
    timeout_s=600.0,
    wall_s=12.5,
    curve=[CurvePoint(step=10, seconds=0.5, epoch=1.0, train_loss=0.4, train_score=0.4, val_score=0.3)],
    phases=[PhaseFacts(name="train", seconds=0.5)],
    measured=Measured(
        scores={"mse": 0.25, "r2": None},
        val_scores={"mse": 0.3},
        tables={"per class": TableFacts(columns=["class", "f1"], rows=[["a", 0.5], ["b", 1]])},
        time_to_target=TimeToTarget(status="met", seconds=0.25),
        steps=10,
        units=640,
        train_s=0.5,
        throughput=1280.0,
        latency=Latency(median_ms=0.1, p95_ms=0.2, n=100),
        peak_memory_mib=12.0,
        load=Load(cpu_s=0.5, wall_s=0.5, involuntary_switches=3),
        pictures={"mistakes": "picture-0.png"},
    ),
    environment={"python": "3.11", "cores": 2},
    command="zoo bench t",
)


@pytest.mark.parametrize("original", [record(), FULL], ids=["the least", "all of it"])
def test_a_record_is_read_as_it_was_written(original: Record):
    assert decode(encode(original)) == original


@MANY
@given(
    st.builds(
        record,
        status=st.sampled_from(STATUSES),
        seed=st.integers(0, 2**63 - 1),
        reason=st.text(),
        traceback=st.text(),
        command=st.text(),
        recipe=st.dictionaries(st.text(max_size=8), SCALARS | st.lists(SCALARS, max_size=3), max_size=4),
        environment=st.dictionaries(st.text(max_size=8), SCALARS, max_size=3),
        wall_s=st.none() | FINITE,
        curve=st.lists(
            st.builds(CurvePoint, step=st.integers(0, 2**53), seconds=FINITE, val_score=st.none() | FINITE), max_size=3
        ),
    )
)
def test_any_record_is_read_as_it_was_written(original: Record):
    assert decode(encode(original)) == original


def test_a_record_is_indented_for_people_and_ends_with_a_line_end():
    lines = encode(record()).decode().splitlines()
    assert lines[0] == "{"
    assert lines[1].startswith(' "schema": 1')
    assert encode(record()).endswith(b"}\n")


def refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is in the JSON")


@MANY
@given(ANY_FLOAT, ANY_FLOAT, ANY_FLOAT)
def test_numbers_that_are_not_finite_are_never_in_the_json(first: float, second: float, third: float):
    content = encode(
        record(
            wall_s=first,
            recipe={"lr": second, "list": [third]},
            measured=Measured(scores={"mse": first}, tables={"t": TableFacts(columns=["a"], rows=[[second]])}),
        )
    )
    plain = json.loads(content, parse_constant=refuse_constant)
    assert plain["measured"]["scores"]["mse"] == (first if math.isfinite(first) else None)
    assert decode(content).wall_s == (first if math.isfinite(first) else None)


def test_a_text_that_is_no_unicode_does_not_cost_the_record():
    """Arguments and file names that are no UTF-8 reach Python as lone surrogates, then a reason or a command."""
    found = decode(encode(record(reason="cannot read \udcff.png", command="zoo bench \udcff")))
    assert found.reason.startswith("cannot read ")


@MANY
@given(st.integers(0, len(encode(FULL).rstrip()) - 1))
def test_a_record_cut_anywhere_is_damaged(position: int):
    with pytest.raises(DamagedRecordError, match="not a record"):
        decode(encode(FULL)[:position])


@MANY
@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_are_damaged(content: bytes):
    with pytest.raises(DamagedRecordError):
        decode(content)


@MANY
@given(st.integers(0, len(encode(FULL)) - 1), st.binary(min_size=1, max_size=3))
def test_changed_bytes_end_in_a_record_or_a_record_error(position: int, put: bytes):
    content = encode(FULL)
    with contextlib.suppress(DamagedRecordError, NewerSchemaError):
        decode(content[:position] + put + content[position + len(put) :])


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_endless_nesting_is_damaged(opening: bytes):
    content = encode(record())
    with pytest.raises(DamagedRecordError):
        decode(content.replace(b'"seed"', b'"unknown": ' + opening * 100_000 + b',"seed"', 1))


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(encode(FULL)) | fields).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": "1"},
        {"schema": None},
        {"schema": True},
        {"id": 3},
        {"seed": "0"},
        {"seed": 0.5},
        {"status": "fine"},
        {"recipe": []},
        {"recipe_class": "best"},
        {"budget": "money"},
        {"task": "zoo-x:t"},
        {"task": {"name": "zoo-x:t"}},
        {"curve": {}},
        {"curve": [{"step": 1}]},
        {"measured": None},
        {"measured": {"scores": {"mse": "low"}}},
    ],
    ids=str,
)
def test_a_field_of_a_wrong_type_is_damage_that_is_named(fields: dict[str, Any]):
    with pytest.raises(DamagedRecordError, match=rf"\$\.{next(iter(fields))}"):
        decode(changed(**fields))


REQUIRED = [field.name for field in msgspec.structs.fields(Record) if field.required]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_field_is_damage_that_is_named(name: str):
    plain = json.loads(encode(FULL))
    del plain[name]
    with pytest.raises(DamagedRecordError, match=name):
        decode(json.dumps(plain).encode())


def test_every_field_that_may_be_missing_has_a_default():
    plain = {name: value for name, value in json.loads(encode(FULL)).items() if name in REQUIRED}
    assert decode(json.dumps(plain).encode()).measured == Measured()


def test_a_newer_schema_is_an_error_of_its_own_and_not_damage():
    with pytest.raises(NewerSchemaError, match=f"schema {SCHEMA + 1}, this zoo reads up to {SCHEMA}: install a newer"):
        decode(changed(schema=SCHEMA + 1))


def test_a_newer_schema_is_recognised_even_if_its_fields_differ():
    with pytest.raises(NewerSchemaError):
        decode(json.dumps({"schema": SCHEMA + 7, "id": 3, "trial": {}}).encode())


def test_fields_that_this_zoo_does_not_know_are_passed_over():
    plain = json.loads(encode(FULL))
    plain["energy_j"] = 12.5
    plain["measured"]["energy_j"] = {"gpu": 3}
    plain["curve"][0]["lr"] = 0.1
    assert decode(json.dumps(plain).encode()) == FULL


def test_defaults_are_not_shared_between_records():
    one, other = Measured(), Measured()
    one.scores["mse"] = 1.0
    assert other.scores == {}


def test_the_score_is_that_of_the_tasks_metric():
    assert FULL.score == 0.25
    assert record().score is None
    assert record(measured=Measured(scores={"r2": 0.5})).score is None


def test_a_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        FULL.seed = 1  # type: ignore[misc]


def test_final_and_failed_are_subsets_of_the_statuses():
    assert set(STATUSES) == set(FINAL) | FAILED | {"skipped"}
    assert FINAL - {"ok"} == FINAL & FAILED


# The runner's events are parts too, but not of a record.
PARTS = [part for part in records.JsonStruct.__subclasses__() if part.__module__ == records.__name__]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_schema_is_json_and_names_every_field(part: type[records.JsonStruct]):
    schema = json.loads(json.dumps(records.schema()))
    assert set(schema["$defs"][part.__name__]["properties"]) == {field.name for field in msgspec.structs.fields(part)}
