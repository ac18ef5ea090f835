"""`zoo results import`: pytest-benchmark's measurements from untrusted files become records that are not trials."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import UsageError
from zoo_core.results.benchmarks import Note, read_benchmarks
from zoo_core.results.records import DatasetFacts, DeviceFacts, ModelFacts, TaskFacts, decode, encode

TASK = TaskFacts(
    name="zoo-x:t",
    title="A task",
    summary="",
    version=1,
    kind="regression",
    kind_version=1,
    metric="mse",
    higher_is_better=False,
    unit="points",
)
DATASET = DatasetFacts(name="zoo-x:d", title="", version=1, origin="exact", licence="", fingerprint="f" * 32)
NOTE = Note(
    what="inference",
    examples=8,
    task=TASK,
    dataset=DATASET,
    model=ModelFacts(name="zoo-x:m", title="A model", version=1, code_sha256="c" * 64, parameters=5),
    device=DeviceFacts(kind="cpu", name="a processor", threads=1),
    recipe={"batch_size": 8},
    environment={"machine": "0123abcd", "cpu": "a processor"},
).as_json()
OURS = {
    "fullname": "test_net.py::test_inference",
    "stats": {"median": 0.004, "min": 0.003, "iqr": 0.0005, "rounds": 70, "iterations": 2, "mean": 0.005},
    "extra_info": {"zoo": NOTE},
}
FOREIGN = {"fullname": "test_other.py::test_sort", "stats": {"median": float("nan")}, "extra_info": {}}
WHOLE: dict[str, Any] = {
    "datetime": "2026-03-01T12:30:00.250000+01:00",
    "machine_info": {"node": "a-persons-laptop"},
    "benchmarks": [OURS, FOREIGN],
}


def changed(*path: str | int, to: Any) -> bytes:
    """The file with one value replaced, or taken out where that is `...`."""
    whole = copy.deepcopy(WHOLE)
    *way, last = path
    inside: Any = whole
    for step in way:
        inside = inside[step]
    if to is ...:
        del inside[last]
    else:
        inside[last] = to
    return json.dumps(whole).encode()


def test_a_benchmark_becomes_a_record_that_is_no_trial() -> None:
    found = read_benchmarks(json.dumps(WHOLE).encode())
    (record,) = found.records
    assert found.foreign == ["test_other.py::test_sort"]
    assert (record.source, record.status, record.recipe_class) == ("pytest-benchmark", "ok", "custom")
    assert record.score is None
    assert record.measured.latency is None
    assert record.measured.throughput is None
    assert (record.task, record.dataset, record.model.parameters) == (TASK, DATASET, 5)
    assert record.started_at == "2026-03-01T11:30:00.250000+00:00"
    benchmark = record.benchmark
    assert benchmark is not None
    assert (benchmark.what, benchmark.examples, benchmark.rounds, benchmark.iterations) == ("inference", 8, 70, 2)
    assert (benchmark.median_ms, benchmark.min_ms, benchmark.iqr_ms) == (4.0, 3.0, 0.5)
    assert benchmark.throughput == 2000.0  # 8 in 4 ms
    assert b"a-persons-laptop" not in encode(record)


def test_a_record_of_before_reads_as_a_trial_of_the_runner() -> None:
    (record,) = read_benchmarks(json.dumps(WHOLE).encode()).records
    plain = json.loads(encode(record))
    del plain["source"], plain["benchmark"]
    before = decode(json.dumps(plain).encode())
    assert (before.source, before.benchmark) == ("runner", None)


def test_another_way_of_measuring_is_another_experiment() -> None:
    key = read_benchmarks(json.dumps(WHOLE).encode()).records[0].key
    note = ("benchmarks", 0, "extra_info", "zoo")
    for path, value in (
        (("benchmarks", 0, "fullname"), "test_net.py::test_again"),
        ((*note, "what"), "training step"),
        ((*note, "examples"), 9),
        ((*note, "model", "code_sha256"), "d" * 64),
        ((*note, "recipe"), {"batch_size": 9}),
        ((*note, "device", "threads"), 2),
    ):
        assert read_benchmarks(changed(*path, to=value)).records[0].key != key, path
    assert read_benchmarks(changed("benchmarks", 0, "stats", "median", to=0.005)).records[0].key == key
    assert read_benchmarks(changed("datetime", to="2026-03-02T00:00:00+00:00")).records[0].key == key


NOTED = ("benchmarks", 0, "extra_info", "zoo")
DAMAGED = {
    "no JSON": b"{",
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"7",
    "nested without end": b"[" * 100_000,
    "no benchmarks": changed("benchmarks", to=...),
    "benchmarks that are none": changed("benchmarks", to=7),
    "a benchmark that is none": changed("benchmarks", 1, to=None),
    "no time": changed("datetime", to=...),
    "another time": changed("datetime", to="yesterday"),
    "no stats": changed("benchmarks", 0, "stats", to=...),
    "no median": changed("benchmarks", 0, "stats", "median", to=...),
    "a median of nan": changed("benchmarks", 0, "stats", "median", to=float("nan")),
    "a median of nothing": changed("benchmarks", 0, "stats", "median", to=0.0),
    "an endless minimum": changed("benchmarks", 0, "stats", "min", to=float("inf")),
    "a negative range": changed("benchmarks", 0, "stats", "iqr", to=-1.0),
    "rounds in words": changed("benchmarks", 0, "stats", "rounds", to="many"),
    "no rounds": changed("benchmarks", 0, "stats", "rounds", to=0),
    "a throughput beyond numbers": changed("benchmarks", 0, "stats", "median", to=1e-308),
    "a note that is none": changed(*NOTED, to=[]),
    "no task": changed(*NOTED, "task", to=...),
    "no name": changed("benchmarks", 0, "fullname", to=...),
    "another what": changed(*NOTED, "what", to="sleeping"),
    "examples below nothing": changed(*NOTED, "examples", to=-1),
    "no machine": changed(*NOTED, "environment", to={}),
    "a machine that is a path": changed(*NOTED, "environment", "machine", to="../../../"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_of_another_sort_is_refused_in_one_line_and_nothing_is_written(
    name: str, zoo: Callable[..., Any]
) -> None:
    Path("good.json").write_text(json.dumps(WHOLE))
    Path("bad.json").write_bytes(DAMAGED[name])
    done = zoo("results", "import", "good.json", "bad.json")
    assert done.code == 2
    assert done.err.startswith("error: bad.json: ")
    assert done.err.count("\n") == 1
    assert not Path("results").exists()


def test_the_error_for_a_newer_note_says_so() -> None:
    with pytest.raises(UsageError, match="schema 2"):
        read_benchmarks(changed(*NOTED, "schema", to=2))


def test_one_benchmark_twice_in_a_file_is_refused() -> None:
    with pytest.raises(UsageError, match=r"twice.*test_net\.py::test_inference"):
        read_benchmarks(changed("benchmarks", to=[OURS, OURS]))


def test_a_file_without_benchmarks_of_models_is_an_error(zoo: Callable[..., Any]) -> None:
    Path("benchmark.json").write_bytes(changed("benchmarks", to=[FOREIGN]))
    done = zoo("results", "import", "benchmark.json")
    assert done.code == 2
    assert "none of its 1 benchmarks uses zoo_benchmark_model" in done.err


def test_a_file_that_is_not_there_is_a_mistake(zoo: Callable[..., Any]) -> None:
    Path("folder").mkdir()
    for name in ("benchmark.json", "folder", "good.json/inside"):
        Path("good.json").write_text("{}")
        done = zoo("results", "import", name)
        assert done.code == 2
        assert f"{name} does not exist" in done.err


def test_importing_a_file_twice_makes_no_second_record(zoo: Callable[..., Any]) -> None:
    Path("benchmark.json").write_text(json.dumps(WHOLE))
    first, second = (zoo("results", "import", "benchmark.json") for _ in range(2))
    assert (first.code, first.out) == (0, "imported 1 into results\n")
    assert "left out: 'test_other.py::test_sort'" in first.err
    assert (second.code, second.out) == (0, "imported 0 into results, 1 existed already\n")
    assert len(list(Path("results").glob("*/*.json"))) == 1
    (row,) = json.loads(zoo("results", "--json").out)
    assert (row["source"], row["score"]) == ("pytest-benchmark", None)
    assert "pytest-benchmark" in zoo("results").out
    assert json.loads(zoo("results", "import", "benchmark.json", "--json").out) == {
        "imported": [],
        "there": [row["id"]],
        "left_out": ["test_other.py::test_sort"],
    }
    shown = zoo("results", "show", row["id"][:16])
    assert "benchmark.median_ms" in shown.out


@pytest.mark.parametrize("name", ["../../up", "<script>", "\ud800", "a" * 10_000, "\x1b[31m"])
def test_hostile_names_write_nothing_outside_the_folder(name: str, zoo: Callable[..., Any], tmp_path: Path) -> None:
    whole = json.loads(changed(*NOTED, "task", "name", to=name))
    whole["benchmarks"][0]["fullname"] = whole["benchmarks"][1]["fullname"] = name
    Path("benchmark.json").write_text(json.dumps(whole))
    done = zoo("results", "import", "benchmark.json")
    assert done.code == 0, done.err
    assert "\x1b" not in done.err
    files = sorted(path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.json"))
    assert files == ["benchmark.json", "results"]
