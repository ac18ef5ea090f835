"""Hostile records, 150 kinds of them: each costs itself at most, by name, and no command ends with a traceback."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner
from zoo_leaderboard.cli.leaderboard import app
from zoo_leaderboard.records import index
from zoo_leaderboard.records.index import load_all_trials, scan
from zoo_leaderboard.site.build import Built, build_site

from zoo_core.errors import FAILURE
from zoo_core.results.records import Record, decode
from zoo_core.results.removal import find_record_files
from zoo_core.results.store import Store, Unreadable


def beside(name: str) -> Any:
    """A module of this folder; tests are no package."""
    spec = importlib.util.spec_from_file_location(f"beside_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make_record = beside("conftest").make_record
hostile_records = beside("hostile_records")
KINDS, NEIGHBOURS, plant = hostile_records.KINDS, hostile_records.NEIGHBOURS, hostile_records.plant
pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes and links are files of POSIX")
ROW_FIELDS = ("score", "low", "high", "seeds", "spread", "train_s", "statuses", "title", "version", "recipe", "stale")


def honest_records() -> list[Record]:
    return [
        make_record(model=model, seed=seed, minute=seed, score=score + seed / 100, train_s=3.0 + seed, curve=curve)
        for model, score in (("zoo-a:net", 0.9), ("zoo-a:other", 0.7))
        for seed in range(2)
        for curve in [[(1, None, 0.5), (2, None, 0.6)]]
    ]


def fill(results: Path, kinds: Sequence[str] = ()) -> Record:
    """Write the honest records and the hostile ones; returns the first honest one."""
    made = honest_records()
    for record in made:
        Store(results).save(record)
    for kind in kinds:
        plant(kind, results, made[0])
    return made[0]


def honest_rows(site: Path) -> dict[str, Any]:
    """The honest rows of the board by model, without ranks, in which hostile rows take part too."""
    found = {}
    for path in (site / "data").glob("zoo-a--digits-*.json"):
        for group in json.loads(path.read_text("utf-8"))["groups"]:
            for row in group["models"]:
                if row["model"].startswith("zoo-a:"):
                    found[row["model"], group["device"]] = {name: row[name] for name in ROW_FIELDS}
    return found


def files_of(folder: Path) -> set[bytes]:
    return {path + b"/" + name for path, _, names in os.walk(os.fsencode(folder)) for name in names}


@pytest.fixture(scope="module")
def honest_site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The rows of the honest records alone."""
    folder = tmp_path_factory.mktemp("honest")
    fill(folder / "results")
    build_site([folder / "results"], folder / "site")
    rows = honest_rows(folder / "site")
    assert len(rows) == 2
    return rows


@pytest.fixture
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder in which nothing but the results and the site may be, at the end."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert {path.name for path in tmp_path.iterdir()} <= {"results", "site", "merged", "trials.csv"}
    assert not Path("/tmp/outside").exists()


def planted_files(results: Path) -> set[str]:
    """The files that stand where records do, except the honest ones."""
    honest = {f"{record.id}.json" for record in honest_records()}
    found = {entry.name for folder in results.iterdir() if folder.is_dir() for entry in os.scandir(folder)}
    return {name for name in found if name.endswith(".json") and not name.startswith(".") and name not in honest}


def test_there_are_more_than_fifty_kinds() -> None:
    assert len(KINDS) == len(set(KINDS)) > 150


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_record_is_read_or_named_and_the_others_are_read(kind: str, in_own_folder: Path) -> None:
    results = in_own_folder / "results"
    fill(results, [kind])
    loaded = load_all_trials([results])
    honest = [trial for trial in loaded.trials if trial.model in ("zoo-a:net", "zoo-a:other")]
    assert {trial.id for trial in honest if trial.task == "zoo-a:digits"} == {made.id for made in honest_records()}
    assert {trial.score for trial in honest} == {0.9, 0.91, 0.7, 0.71}
    read = list(Store(results).read())
    if kind not in NEIGHBOURS:
        assert len(read) == 5
        assert len(honest) == 4
        assert len(loaded.trials) + len(loaded.unreadable) == 5
    assert all(len(item.reason) <= 400 for item in read if isinstance(item, Unreadable))
    assert len([file for file in find_record_files(results) if file.record is not None]) == sum(
        isinstance(item, Record) for item in read
    )
    for shard in scan([results]):
        assert index.refresh(shard) == index.cached_head(shard) or kind == "a name that is not UTF-8"


def test_the_site_is_built_of_all_others_and_names_what_it_leaves_out(
    in_own_folder: Path, honest_site: dict[str, Any]
) -> None:
    results, site = in_own_folder / "results", in_own_folder / "site"
    fill(results, KINDS)
    before = files_of(results)
    built = build_site([results], site, trial_pages=None)
    assert honest_rows(site) == honest_site
    assert files_of(results) == before
    named = [str(item.path) for item in built.unreadable]
    assert len(named) == len(set(named)), "each is named once"
    assert not [item.reason for item in built.unreadable if "it cannot be shown" in item.reason], "each is foreseen"
    page = (site / "index.html").read_text("utf-8")
    assert f"{len(built.unreadable)} files are left out" in page
    assert built.complete, "a file that cannot be read is no failure of the build"
    assert "<script>alert" not in page
    again = build_site([results], site, trial_pages=None)
    assert again.rendered == 0
    assert {str(item.path) for item in again.unreadable} == set(named)
    assert honest_rows(site) == honest_site


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_site_is_built_with_each_kind_alone(kind: str, in_own_folder: Path, honest_site: dict[str, Any]) -> None:
    fill(in_own_folder / "results", [kind])
    built = build_site([in_own_folder / "results"], in_own_folder / "site")
    assert honest_rows(in_own_folder / "site") == honest_site
    lost = {item.path.name for item in built.unreadable}
    assert len(lost) <= 1, "two of one name are the same id in two folders"
    assert not [item for item in built.unreadable if "it cannot be shown" in item.reason]


# --- what nobody has thought of: an error while a page is made -------------------------------------------------------


def build_with_error(monkeypatch: pytest.MonkeyPatch, target: str, match: Callable[[Any], bool], folder: Path) -> Built:
    """Build a site where a function fails for some of its arguments."""
    module, _, name = target.rpartition(".")
    true = getattr(__import__(module, fromlist=[name]), name)

    def failing(*given: Any, **more: Any) -> Any:
        if any(match(value) for value in given):
            raise ZeroDivisionError("nobody has thought of this")
        return true(*given, **more)

    monkeypatch.setattr(target, failing)
    fill(folder / "results")
    odd = make_record(model="zoo-odd:net", minute=50)
    Store(folder / "results").save(odd)
    return build_site([folder / "results"], folder / "site")


def test_a_record_whose_summary_fails_is_left_out_by_name(
    in_own_folder: Path, monkeypatch: pytest.MonkeyPatch, honest_site: dict[str, Any]
) -> None:
    target = "zoo_leaderboard.records.index.summarise_trial"
    built = build_with_error(
        monkeypatch, target, lambda value: "odd" in str(getattr(value, "model", "")), in_own_folder
    )
    (lost,) = built.unreadable
    assert lost.path.stem == make_record(model="zoo-odd:net", minute=50).id
    assert "ZeroDivisionError: nobody has thought of this" in lost.reason
    assert built.complete
    assert honest_rows(in_own_folder / "site") == honest_site


def test_a_record_without_which_the_page_of_its_task_can_be_made_is_left_out_by_name(
    in_own_folder: Path, monkeypatch: pytest.MonkeyPatch, honest_site: dict[str, Any]
) -> None:
    target = "zoo_leaderboard.board.standing.reproduce"
    odd = make_record(model="zoo-odd:net", minute=50)
    built = build_with_error(
        monkeypatch, target, lambda value: any(item.model == odd.model.name for item in value), in_own_folder
    )
    (lost,) = built.unreadable
    assert lost.path.stem == odd.id
    assert honest_rows(in_own_folder / "site") == honest_site
    site = in_own_folder / "site"
    again = CliRunner().invoke(app, ["build", str(in_own_folder / "results"), "--out", str(site)])
    assert (again.exit_code, f"{odd.id}.json: it cannot be shown" in again.stderr) == (FAILURE, True)
    assert f"{odd.id}.json" in (site / "index.html").read_text("utf-8")
    assert not list((site / "trials").glob(f"{odd.id}*")), "the page of its own goes too"
    assert len(list((site / "trials").glob("*.html"))) == 4


def test_a_trial_whose_own_page_fails_keeps_its_row(in_own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = "zoo_leaderboard.site.trialpage.reproduce_trial"
    built = build_with_error(monkeypatch, target, lambda record: "odd" in record.model.name, in_own_folder)
    (lost,) = built.unreadable
    assert lost.reason.startswith("no page of its own: it cannot be shown, ZeroDivisionError")
    assert not built.complete
    (page,) = (in_own_folder / "site" / "tasks").glob("*.html")
    text = page.read_text("utf-8")
    assert "models/zoo-odd--net" in text
    assert lost.path.stem not in text.replace("-record", ""), "no link to a page that is not there"


def test_a_task_that_cannot_be_shown_at_all_costs_only_itself(
    in_own_folder: Path, monkeypatch: pytest.MonkeyPatch, honest_site: dict[str, Any]
) -> None:
    Store(in_own_folder / "results").save(make_record(task="zoo-b:odd", task_title="Odd", model="zoo-b:net"))
    target = "zoo_leaderboard.site.export.task_script"
    built = build_with_error(monkeypatch, target, lambda value: getattr(value, "title", "") == "Odd", in_own_folder)
    site = in_own_folder / "site"
    assert (built.tasks, [item.path.parent.name for item in built.unreadable]) == (1, ["zoo-b--odd"])
    assert not built.complete
    assert honest_rows(site) == honest_site
    assert not [path for path in site.rglob("*odd*") if path.is_file() and path.parent.name != "models"]


def test_a_task_that_breaks_the_index_is_left_out_of_it(
    in_own_folder: Path, monkeypatch: pytest.MonkeyPatch, honest_site: dict[str, Any]
) -> None:
    Store(in_own_folder / "results").save(make_record(task="zoo-b:odd", task_title="Odd", model="zoo-b:net"))
    target = "zoo_leaderboard.site.export.summary"
    built = build_with_error(
        monkeypatch, target, lambda tasks: "Odd" in [getattr(task, "title", "") for task in tasks], in_own_folder
    )
    (lost,) = built.unreadable
    assert "not on the index" in lost.reason
    assert not built.complete
    assert "zoo-b--odd" in (in_own_folder / "site" / "index.html").read_text("utf-8")
    assert honest_rows(in_own_folder / "site") == honest_site


def test_a_fault_of_the_machine_is_blamed_on_no_record(in_own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo_leaderboard.board.standing.reproduce", full)
    fill(in_own_folder / "results")
    with pytest.raises(Exception, match="No space left"):
        build_site([in_own_folder / "results"], in_own_folder / "site")


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile_folder(zoo: Callable[..., Any]) -> Record:
    """All kinds beside the honest records, in `results` of the working folder."""
    return fill(Path("results"), KINDS)


def ok(done: Any) -> str:
    assert "Traceback" not in done.err, done.err
    assert "\x1b]0;" not in done.out + done.err, "no escape reaches the terminal"
    assert done.code == 0, done.err
    return str(done.out)


def test_results_list_has_all_honest_records_and_names_the_unreadable_ones(
    zoo: Callable[..., Any], hostile_folder: Record
) -> None:
    done = zoo("results", "list", "--json")
    listed_rows = json.loads(ok(done))
    listed = {row["id"]: row["score"] for row in listed_rows}
    for made in honest_records():
        assert listed[made.id] == made.score
    readable = sum(isinstance(item, Record) for item in Store(Path("results")).read())
    assert (
        done.err.count("left out ") == sum(isinstance(item, Unreadable) for item in Store(Path("results")).read()) > 50
    )
    assert len(json.loads(done.out)) == readable > 80
    assert all(made.id in ok(zoo("results")) for made in honest_records())


def test_no_cell_of_the_csv_is_a_formula_and_numbers_stay_numbers(
    zoo: Callable[..., Any], hostile_folder: Record
) -> None:
    rows = list(csv.DictReader(io.StringIO(ok(zoo("results", "list", "--csv")))))
    for row in rows:
        for name, text in row.items():
            assert not text.startswith(("=", "+", "@", "\t", "\r")), (name, text)
            if text.startswith("-"):
                float(text)
    assert {row["score"] for row in rows if row["model"] == "zoo-a:net"} >= {"0.9", "0.91"}


def test_results_show_prints_every_record_that_can_be_read(zoo: Callable[..., Any]) -> None:
    honest, shown = honest_records()[0], 0
    for number, kind in enumerate(hostile_records.VALUES):
        folder = Path(f"results-{number}")
        plant(kind, folder, honest)
        (item,) = Store(folder).read()
        if isinstance(item, Record):
            assert f"seed {item.seed}" in ok(zoo("results", "show", item.id, "--results", folder)), kind
            shown += 1
    assert shown > 50


def test_compare_and_export_leave_the_hostile_records_out_by_name(
    zoo: Callable[..., Any], hostile_folder: Record
) -> None:
    for seed in range(2):
        Store(Path("merged")).save(make_record(seed=seed, minute=5 + seed, score=0.95 + seed / 100, train_s=3.0))
    done = zoo("results", "compare", "results", "merged", "--json")
    (compared,) = json.loads(ok(done))["compared"]
    assert (compared["model"], compared["seeds"]) == ("zoo-a:net", [2, 2])
    assert "left out " in done.err
    exported = zoo("results", "export", "results")
    ok(exported)
    rows = list(csv.DictReader(io.StringIO(Path("trials.csv").read_text("utf-8"))))
    assert {row["id"] for row in rows} >= {made.id for made in honest_records()}
    assert "not a regular file" in exported.err


def test_merge_copies_the_honest_records_and_stays_in_its_folder(
    zoo: Callable[..., Any], hostile_folder: Record
) -> None:
    done = zoo("results", "merge", "results", "--into", "merged")
    assert "copied" in ok(done)
    assert {path.name for path in Path().iterdir()} == {"results", "merged"}
    for made in honest_records()[1:]:
        copied = Store(Path("merged")).task_folder(made.task.name) / f"{made.id}.json"
        assert decode(copied.read_bytes()) == made
    assert "0 records copied" in ok(zoo("results", "merge", "results", "--into", "merged"))


def test_rm_lists_what_it_would_remove_and_removes_nothing_else(
    zoo: Callable[..., Any], hostile_folder: Record
) -> None:
    before = files_of(Path("results"))
    honest = honest_records()[1]
    listed = json.loads(ok(zoo("results", "rm", honest.id, "--dry-run", "--json")))
    assert listed == {"removed": [], "would_remove": [honest.id]}
    assert "nothing removed" in ok(zoo("results", "rm", "--task", "zoo-a:digits", "--model", "net", "--dry-run"))
    assert files_of(Path("results")) == before
    ok(zoo("results", "rm", honest.id, "--yes"))
    assert len(before - files_of(Path("results"))) == 1


def test_bench_plans_its_trials_among_hostile_records_of_the_same_key(zoo: Callable[..., Any]) -> None:
    words = ("bench", "cosine", "--model", "mlp", "--max-steps", "1", "--device", "cpu")
    ok(zoo(*words))
    (path,) = Path("results").glob("*/*.json")
    honest = decode(path.read_bytes())
    for kind in KINDS:
        plant(kind, Path("results"), honest)
    assert "recorded already" in ok(zoo(*words, "--dry-run"))


def test_a_pipe_in_place_of_a_benchmark_file_is_refused_in_one_line(zoo: Callable[..., Any]) -> None:
    os.mkfifo("pipe.json")
    Path("sparse.json").touch()
    os.truncate("sparse.json", hostile_records.SPARSE)
    special = "it is not a regular file, but a FIFO, a socket or a device"
    for name, reason in (("pipe.json", special), ("sparse.json", "it is larger than 256 MiB")):
        done = zoo("results", "import", name)
        assert (done.code, done.err) == (2, f"error: {name}: {reason}\n")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_record_keeps_what_is_good_of_it() -> None:
    """A ragged table is left out with the reason, a large integer becomes a float, a time is in UTC."""
    plain = json.loads(msgspec.json.encode(honest_records()[0]))
    plain["started_at"] = "2026-01-02T05:30:00+05:30"
    plain["recipe"] = {"lr": 10**30, "small": 2**64 - 1}
    plain["measured"]["tables"] = {
        "ragged": {"columns": ["a", "b"], "rows": [[1]]},
        "good": {"columns": ["a"], "rows": [[10**30]]},
    }
    record = decode(json.dumps(plain).encode())
    assert record.started_at == "2026-01-02T00:00:00.000000+00:00"
    assert record.recipe == {"lr": 1e30, "small": 2**64 - 1}
    assert record.measured.left_out == {"ragged": "a row of 1 values in a table of 2 columns"}
    assert record.measured.tables["good"].rows == [[1e30]]
