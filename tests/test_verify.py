"""`zoo verify` runs the experiment of a record again: equal bits verify it, an edited record is found."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from zoo_core.api import bench
from zoo_core.cli.verify import _best
from zoo_core.files import write_atomically
from zoo_core.measure.environment import machine_id
from zoo_core.results.records import BenchmarkFacts, Measured, Record, decode, encode
from zoo_core.results.store import Store
from zoo_core.results.verified import Verified, merge_verified, save_verified
from zoo_core.runner.compare import compare_results
from zoo_core.runner.outcome import Outcome

Zoo = Callable[..., Any]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one short training of the cosine task."""
    folder = tmp_path_factory.mktemp("recorded")
    bench("cosine", model="mlp", max_steps=12, threads=1, device="cpu", results=folder, progress=False)
    return folder


@pytest.fixture
def results(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "results")
    return tmp_path / "results"


def file_of(results: Path) -> Path:
    (path,) = results.glob("*/*.json")
    return path


def record_of(results: Path) -> Record:
    return decode(file_of(results).read_bytes())


def edit(results: Path, **fields: Any) -> None:
    write_atomically(file_of(results), encode(replace(record_of(results), **fields)))


def with_score(record: Record, score: float) -> Measured:
    return replace(record.measured, scores={**record.measured.scores, "mse": score})


def notes(results: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in results.glob("*/verified/*.json")]


def test_an_honest_record_is_verified_bit_for_bit_and_left_as_it_was(zoo: Zoo, results: Path) -> None:
    before = file_of(results).read_bytes()
    done = zoo("verify", "--top", "1", "--json")
    assert done.code == 0, done.err
    (verified,) = json.loads(done.out)
    assert (verified["result"], verified["differs"], verified["surroundings"]) == ("same", [], [])
    assert {"status", "steps", "test mse", "val mse", "learning curve", "results by example"} <= set(verified["same"])
    assert file_of(results).read_bytes() == before
    (note,) = notes(results)
    assert (note["record"], note["same"], note["differs"]) == (record_of(results).id, True, [])
    assert set(note) == {"record", "verified_at", "machine", "same", "differs"}
    assert len(list(results.glob("*/*.json"))) == 1  # the rerun is no record
    assert not (results / ".staging").exists()


def test_the_folder_of_a_killed_rerun_is_removed_by_the_next_run(results: Path) -> None:
    killed = results / ".staging" / f"4194305-verify-{machine_id()}-rerun"  # no process has a number above 2^22
    killed.mkdir(parents=True)
    Store(results).clean(machine_id())
    assert not killed.exists()


def test_an_edited_score_is_found(zoo: Zoo, results: Path) -> None:
    score = record_of(results).score
    assert score is not None
    edited = math.nextafter(score, 0)  # in the last bit
    edit(results, measured=with_score(record_of(results), edited))
    done = zoo("verify", record_of(results).id[:12])
    assert done.code == 1
    assert f"differs: test mse: {edited!r} recorded, {score!r} now" in done.out
    assert "1 record: 1 differs" in done.out
    (note,) = notes(results)
    assert note["same"] is False
    assert note["differs"] == [f"test mse: {edited!r} recorded, {score!r} now"]


def test_a_fault_of_the_machine_ends_the_command_with_2_and_judges_no_record(
    zoo: Zoo, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome()
    outcome.note_fault("the disk is full", "was not run")
    monkeypatch.setattr("zoo_core.runner.verify.run_request", lambda *_: (None, outcome))
    done = zoo("verify", record_of(results).id, "--results", str(results))
    assert (done.code, done.err) == (2, "error: the disk is full\n")
    assert notes(results) == []


@pytest.mark.parametrize("field", ["seed", "compiled"])
def test_an_edited_experiment_has_another_key_and_is_not_even_run(zoo: Zoo, results: Path, field: str) -> None:
    record = record_of(results)
    edit(results, **({"seed": 5} if field == "seed" else {"device": replace(record.device, compiled=True)}))
    done = zoo("verify", record.id)
    assert done.code == 1
    assert f"differs: its key {record.key[:12]} is not that of the experiment it describes" in done.out
    assert "[1/1]" not in done.err
    assert notes(results)[0]["same"] is False


TIMED = BenchmarkFacts(
    name="test_net.py::test_inference",
    what="inference",
    examples=1,
    median_ms=1.0,
    min_ms=1.0,
    iqr_ms=0.0,
    rounds=5,
    iterations=1,
    throughput=1000.0,
)
CHANGED: dict[str, tuple[Callable[[Record], dict[str, Any]], str]] = {
    "code": (lambda r: {"model": replace(r.model, code_sha256="0" * 64)}, "the code of the model: 000000000000…"),
    "task code": (lambda r: {"other_code": {**r.other_code, "task": "1"}}, "the code of the task: 1 recorded"),
    "data": (lambda r: {"dataset": replace(r.dataset, fingerprint="ff")}, "the data (their fingerprint): ff recorded"),
    "version": (lambda r: {"task": replace(r.task, version=7)}, "the version of the task: 7 recorded, 1 now"),
    "recipe": (lambda r: {"recipe": {**r.recipe, "warm": 1}}, "unknown recipe key 'warm'"),
    "task": (lambda r: {"task": replace(r.task, name="gone:gone")}, "unknown task 'gone:gone'"),
    "model": (lambda r: {"model": replace(r.model, name="zoo-cosine:gone")}, "unknown model 'zoo-cosine:gone'"),
    "device": (lambda r: {"device": replace(r.device, kind="cuda")}, "device 'cuda' is not available"),
    "budget": (lambda r: {"budget": "time", "budget_s": 1.0}, "its length was a time budget"),
    "status": (lambda r: {"status": "interrupted"}, "its status is interrupted"),
    "file": (lambda r: {"model": replace(r.model, name="unpackaged:net.Net")}, "name its source, --model ./FILE.py:N"),
    "weights": (lambda r: {"model": replace(r.model, weights_option="w.pt")}, "it began from the file w.pt: name it"),
    "import": (lambda r: {"source": "pytest-benchmark", "benchmark": TIMED}, "it was imported from pytest-benchmark"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_cannot_be_the_same_experiment_is_not_run_and_not_judged(zoo: Zoo, results: Path, change: str) -> None:
    fields, words = CHANGED[change]
    edit(results, **fields(record_of(results)))
    done = zoo("verify", record_of(results).id)
    assert done.code == 1
    assert f"not verified: {'it is no longer' if 'recorded' in words else ''}" in done.out
    assert words in done.out
    assert "[1/1]" not in done.err
    assert notes(results) == []


def with_torch(record: Record, version: str) -> dict[str, Any]:
    return {**record.environment, "versions": {**record.environment["versions"], "torch": version}}


def test_with_another_torch_equal_bits_verify_a_record_and_other_bits_say_nothing(zoo: Zoo, results: Path) -> None:
    edit(results, environment=with_torch(record_of(results), "1.0"))
    done = zoo("verify", record_of(results).id)
    assert done.code == 0
    assert "other surroundings: the version of torch: 1.0 recorded, " in done.out
    assert notes(results)[0]["same"] is True
    shutil.rmtree(next(results.glob("*/verified")))
    edit(results, measured=with_score(record_of(results), 0.5))
    done = zoo("verify", record_of(results).id)
    assert done.code == 1
    assert "in other surroundings equal bits are not claimed, so this says nothing about the record" in done.out
    assert "1 record: 1 not verified" in done.out
    assert notes(results) == []
    edit(results, measured=replace(record_of(results).measured, steps=13))  # no rounding changes a number of steps
    assert zoo("verify", record_of(results).id).code == 1
    assert notes(results)[0]["same"] is False


def test_a_model_in_a_file_is_verified_with_its_source_and_a_diverged_trial_too(zoo: Zoo) -> None:
    Path("net.py").write_text("from torch import nn\ndef net(signature): return nn.Linear(1, 1)\n")
    zoo("bench", "cosine", "-m", "./net.py:net", "--max-steps", "9", "--set", "lr=1e30")
    record = record_of(Path("results"))
    assert (record.status, record.model.name.startswith("unpackaged:net.net")) == ("diverged", True)
    done = zoo("verify", record.id, "--model", "./net.py:net")
    assert done.code == 0, done.out
    Path("net.py").write_text("from torch import nn\ndef net(signature): return nn.Linear(1, 1, bias=False)\n")
    done = zoo("verify", record.id, "--model", "./net.py:net")
    assert done.code == 1
    assert "not verified: it is no longer the same experiment: the code of the model: " in done.out


@pytest.mark.parametrize("name", ["./evil.py:Net", "FOLDER/evil.py:Net"])
def test_a_strangers_record_that_names_a_file_runs_nothing(zoo: Zoo, results: Path, name: str) -> None:
    Path("evil.py").write_text("from pathlib import Path\nPath('ran').touch()\ndef Net(signature): ...\n")
    name = name.replace("FOLDER", str(Path.cwd()))
    edit(results, model=replace(record_of(results).model, name=name))
    done = zoo("verify", record_of(results).id)
    assert done.code == 1
    assert "like a file: no plugin has such a model" in done.out
    assert not Path("ran").exists()


def test_a_record_cannot_ask_for_more_threads_than_there_are_cores(zoo: Zoo, results: Path) -> None:
    edit(results, device=replace(record_of(results).device, threads=10**6))
    done = zoo("verify", record_of(results).id)
    assert done.code in (0, 1)
    assert "other surroundings: the number of threads: 1000000 recorded, " in done.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "name records to verify, or give --top N"),
        (["0", "--top", "1"], "name records to verify, or give --top N"),
        (["zzz"], "unknown record 'zzz'"),
        ([""], "unknown record ''"),
        (["--top", "1", "--results", "nothing"], "no record in nothing has a score"),
    ],
)
def test_a_mistake_of_the_caller_is_told_and_exits_with_2(
    zoo: Zoo, results: Path, words: list[str], complaint: str
) -> None:
    done = zoo("verify", *words)
    assert done.code == 2
    assert complaint in done.err


# The comparison, without a training


def test_each_edit_of_a_result_is_named_with_both_values(results: Path) -> None:
    record, artifacts = record_of(results), Store(results).artifacts(record_of(results))
    point = record.curve[0]
    measured = record.measured
    edits = {
        "learning curve: item 0 is": replace(record, curve=[replace(point, val_score=0.0), *record.curve[1:]]),
        "learning curve: 1 recorded": replace(record, curve=record.curve[:1]),
        "val r2: 1.0 recorded": replace(
            record, measured=replace(measured, val_scores={**measured.val_scores, "r2": 1.0})
        ),
        "units: 1 recorded": replace(record, measured=replace(measured, units=1)),
        "parameters: 7 recorded": replace(record, model=replace(record.model, parameters=7)),
        "examples: 'train' is 1 recorded": replace(
            record, dataset=replace(record.dataset, examples={**record.dataset.examples, "train": 1})
        ),
        "status: 'diverged' recorded, 'ok' now": replace(record, status="diverged"),
    }
    for words, edited in edits.items():
        differs = compare_results(edited, record, artifacts, artifacts).differs
        assert any(text.startswith(words) for text in differs), (words, differs)
    times = replace(record, wall_s=1.0, curve=[replace(item, seconds=9.0) for item in record.curve])
    assert compare_results(times, record, artifacts, artifacts).differs == ()  # no two trainings take the same time


def test_results_by_example_are_compared_bit_for_bit_and_never_outside_of_the_folder(
    results: Path, tmp_path: Path
) -> None:
    record, artifacts = record_of(results), Store(results).artifacts(record_of(results))
    other = tmp_path / "other"
    shutil.copytree(artifacts, other)
    assert "results by example" in compare_results(record, record, other, artifacts).same
    with np.load(artifacts / "per_example.npz") as arrays:
        score = arrays["score"].copy()
    score[3] = np.nextafter(score[3], np.inf)
    np.savez_compressed(other / "per_example.npz", score=score)
    assert compare_results(record, record, other, artifacts).differs == (
        f"results by example: 'score' differs for 1 of {len(score)} examples",
    )
    for content in (b"", b"no archive", (other / "per_example.npz").read_bytes()[:99]):
        (other / "per_example.npz").write_bytes(content)
        (difference,) = compare_results(record, record, other, artifacts).differs
        assert difference.startswith("results by example: the record's file cannot be read")
    np.savez_compressed(other / "per_example.npz", score=np.zeros(10**7))  # claims more than the rerun has
    assert compare_results(record, record, other, artifacts).differs == (
        "results by example: other arrays, or arrays of other sizes",
    )
    (other / "per_example.npz").unlink()
    assert compare_results(record, record, other, artifacts).not_compared
    outside = replace(record, measured=replace(record.measured, per_example="../results/secret.npz"))
    (tmp_path / "results" / "secret.npz").write_bytes(b"")
    assert compare_results(outside, record, other, artifacts).not_compared


def test_the_best_rows_are_those_of_each_table_by_mean_score_in_the_metrics_direction(results: Path) -> None:
    record = record_of(results)

    def made(model: str, seed: int, score: float, **fields: Any) -> Record:
        name = replace(record.model, name=model)
        return replace(record, id=f"{model}{seed}", seed=seed, model=name, measured=with_score(record, score), **fields)

    rows = [made("a", 0, 0.3), made("a", 1, 0.1), made("b", 0, 0.15), made("b", 1, 0.2), made("c", 0, 0.9)]
    rows += [made("failed", 0, 0.0, status="error"), made("other", 0, 5.0, recipe_class="quick")]
    assert [item.id for item in _best(rows, 1)] == ["b0", "other0"]  # mse: lower is better; b has the mean 0.175
    assert [item.id for item in _best(rows, 2)] == ["b0", "a1", "other0"]
    upward = [replace(item, task=replace(item.task, higher_is_better=True)) for item in rows]
    assert [item.id for item in _best(upward, 1)] == ["c0", "other0"]


# Notes


def note(at: str, **fields: Any) -> Verified:
    return Verified(**{"record": "r1", "verified_at": at, "machine": "m", "same": True, **fields})


def test_the_later_of_two_notes_stays_also_after_a_merge_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    save_verified(one, "p:t", note("2026-02-01T00:00:00"))
    save_verified(one, "p:t", note("2026-01-01T00:00:00", same=False))
    save_verified(two, "p:t", note("2026-03-01T00:00:00", same=False, differs=["x"]))
    save_verified(two, "p:u", note("2026-01-01T00:00:00", record="r2"))
    (two.task_folder("p:t") / "verified" / "r3.json").write_bytes(b"{")
    merge_verified(two, one)
    merge_verified(one, two)
    for store in (one, two):
        path = store.task_folder("p:t") / "verified" / "r1.json"
        assert msgspec.json.decode(path.read_bytes(), type=Verified).differs == ["x"]
        assert (store.task_folder("p:u") / "verified" / "r2.json").is_file()
    assert not (one.task_folder("p:t") / "verified" / "r3.json").exists()
    (one.task_folder("p:t") / "verified" / "r1.json").write_bytes(b"\xff")
    save_verified(one, "p:t", note("2026-01-01T00:00:00"))  # replaces a broken one
    assert notes(one.folder)[0]["same"] is True


def test_merging_results_carries_the_notes(zoo: Zoo, results: Path) -> None:
    record = record_of(results)
    save_verified(Store(results), record.task.name, note("2026-03-01T00:00:00", record=record.id))
    done = zoo("results", "merge", "results", "--into", "all")
    assert done.code == 0, done.err
    assert [item["record"] for item in notes(Path("all"))] == [record.id]
