"""`zoo results rm` removes the chosen records with their artifacts, after a question, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from zoo_core.results.records import SCHEMA, DatasetFacts, DeviceFacts, ModelFacts, Record, TaskFacts, decode, encode
from zoo_core.results.store import STAGING
from zoo_core.results.verified import FOLDER


def a_record(*, model: str, **fields: Any) -> Record:
    return Record(
        schema=SCHEMA,
        key="k",
        started_at="2026-01-01T00:00:00+00:00",
        task=TaskFacts(
            name="zoo-cosine:cosine",
            title="T",
            summary="S",
            version=1,
            kind="regression",
            kind_version=1,
            metric="mse",
            higher_is_better=False,
            unit="points",
        ),
        dataset=DatasetFacts(name="p:d", title="D", version=1, origin="exact", licence="CC0-1.0", fingerprint="f"),
        model=ModelFacts(name=model, title="M", version=1, code_sha256=""),
        device=DeviceFacts(kind="cpu"),
        recipe={},
        recipe_class="default",
        budget="length",
        **fields,
    )


@pytest.fixture
def results(zoo: Callable[..., Any]) -> Path:
    """Three records in `results`: net 0 ok with a log, net 1 error, other 0 ok; and the staging of a running trial."""
    folder = Path("results/zoo-cosine--cosine")
    folder.mkdir(parents=True)
    for number, (model, seed, status) in enumerate((("net", 0, "ok"), ("net", 1, "error"), ("other", 0, "ok"))):
        record = a_record(id=f"{number}a-m-{number}", model=f"p:{model}", seed=seed, status=status)
        (folder / f"{record.id}.json").write_bytes(encode(record))
    artifacts = folder / "0a-m-0"
    artifacts.mkdir()
    (artifacts / "log.txt").write_text("words")
    running = Path("results") / STAGING / "1-running"
    running.mkdir(parents=True)
    (running / "log.txt").write_text("still running")
    return folder


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_chosen_records_go_with_their_artifacts_and_the_others_and_running_trials_stay(
    zoo: Callable[..., Any], results: Path
) -> None:
    done = zoo("results", "rm", "--model", "net", "--yes")
    assert done.code == 0
    assert "removed 2 records" in done.out
    assert all(name in done.out for name in ("0a-m-0", "1a-m-1"))
    assert left(results) == ["2a-m-2.json"]
    assert (Path("results") / STAGING / "1-running" / "log.txt").read_text() == "still running"


def test_the_note_of_zoo_verify_goes_with_its_record_and_other_notes_stay(
    zoo: Callable[..., Any], results: Path
) -> None:
    notes = results / FOLDER
    notes.mkdir()
    for name in ("0a-m-0", "2a-m-2"):
        (notes / f"{name}.json").write_text("{}")
    assert zoo("results", "rm", "--model", "net", "--yes").code == 0
    assert left(results) == ["2a-m-2.json", FOLDER, f"{FOLDER}/2a-m-2.json"]
    assert zoo("results", "rm", "2a-m-2", "--yes").code == 0
    assert not results.exists()


def test_ids_may_be_shortened_and_filters_narrow_them(zoo: Callable[..., Any], results: Path) -> None:
    assert zoo("results", "rm", "1a", "2a", "--status", "error", "--yes").code == 0
    assert "1a-m-1.json" not in left(results)
    assert "2a-m-2.json" in left(results)
    assert json.loads(zoo("results", "rm", "2a", "--yes", "--json").out) == {"removed": ["2a-m-2"]}


def test_two_ids_of_one_record_remove_it_once(zoo: Callable[..., Any], results: Path) -> None:
    done = zoo("results", "rm", "1a", "1a-m-1", "--yes", "--json")
    assert (done.code, json.loads(done.out)) == (0, {"removed": ["1a-m-1"]})


def test_a_whole_id_is_meant_also_if_another_one_begins_with_it(zoo: Callable[..., Any], results: Path) -> None:
    (results / "0a-m-0-copy.json").write_text("{")
    assert json.loads(zoo("results", "rm", "0a-m-0", "--yes", "--json").out) == {"removed": ["0a-m-0"]}


@pytest.mark.parametrize(("answer", "code", "stays"), [("y\n", 0, False), ("n\n", 0, True), ("", 2, True)])
def test_it_asks_first_and_without_an_answer_removes_nothing(
    zoo: Callable[..., Any], results: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, stays: bool
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done = zoo("results", "rm", "--model", "other")
    assert done.code == code
    assert "Remove 1 record with all artifacts from results?" in done.err
    assert ("2a-m-2.json" in left(results)) == stays
    assert ("--yes" in done.err) == (code == 2)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "name what to remove"),
        (("--task", "cosin"), "no record has --task cosin: did you mean cosine"),
        (("--status", "eror"), "did you mean error?"),
        (("--model", "net", "--device", "cuda"), "no record has --device cuda"),
        (("--model", "other", "--status", "error"), "no record has all of these values"),
        (("9a",), "unknown record '9a'"),
        (("",), "unknown record ''"),
    ],
)
def test_a_choice_of_nothing_is_a_usage_error_of_one_line(
    zoo: Callable[..., Any], results: Path, words: tuple[str, ...], reason: str
) -> None:
    before = left(results)
    done = zoo("results", "rm", *words, "--yes")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert reason in done.err
    assert left(results) == before


def test_an_id_that_several_records_begin_with_is_refused(zoo: Callable[..., Any], results: Path) -> None:
    (results / "0a-m-9.json").write_text("{")
    done = zoo("results", "rm", "0a", "--yes")
    assert done.code == 2
    assert "2 records begin with '0a', give more characters: 0a-m-0, 0a-m-9" in done.err


def test_a_record_that_cannot_be_read_is_removed_by_its_id_but_by_no_filter(
    zoo: Callable[..., Any], results: Path
) -> None:
    (results / "8a-m-8.json").write_text("{")
    assert zoo("results", "rm", "--task", "cosine", "--yes").code == 0
    assert left(results) == ["8a-m-8.json"]
    assert "cannot be read" in zoo("results", "rm", "8a-m-8", "--yes").out
    assert not results.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("what", ["folder", "record", "artifacts"])
def test_nothing_behind_a_link_is_removed(zoo: Callable[..., Any], results: Path, what: str) -> None:
    outside = Path("outside")
    if what == "folder":
        results.rename(outside)
        results.symlink_to(outside.absolute())
    elif what == "record":
        outside.mkdir()
        (results / "0a-m-0.json").rename(outside / "r.json")
        (results / "0a-m-0.json").symlink_to((outside / "r.json").absolute())
    else:
        (results / "0a-m-0").rename(outside)
        (results / "0a-m-0").symlink_to(outside.absolute())
    kept = left(outside)
    before = left(results)
    done = zoo("results", "rm", "--model", "net", "--yes")
    assert done.code == 2
    assert "is a link" in done.err
    assert (left(outside), left(results)) == (kept, before)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_among_the_artifacts_is_removed_and_its_target_stays(zoo: Callable[..., Any], results: Path) -> None:
    precious = Path("precious")
    precious.mkdir()
    (precious / "thesis.txt").write_text("words")
    (results / "0a-m-0" / "link").symlink_to(precious.absolute())
    assert zoo("results", "rm", "0a", "--yes").code == 0
    assert left(precious) == ["thesis.txt"]


def test_removing_takes_a_record_of_any_task_name_from_where_it_lies(zoo: Callable[..., Any], results: Path) -> None:
    """The names in a record are not trusted: only the path of its file counts."""
    victim = Path("victim.json")
    victim.write_text("{}")
    record: Record = decode((results / "2a-m-2.json").read_bytes())
    evil = replace(record, id="../../victim", task=replace(record.task, name="../.."))
    (results / "7a-m-7.json").write_bytes(encode(evil))
    assert zoo("results", "rm", "7a", "--yes").code == 0
    assert victim.exists()
