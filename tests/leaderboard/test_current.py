"""The board follows the code that `zoo bench` last asked for, by its notes in the results folder."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from zoo_leaderboard.board.compared_runs import two_folders
from zoo_leaderboard.board.tables import Versions, task_board
from zoo_leaderboard.records.current import OTHER_CODE
from zoo_leaderboard.records.merge import merge
from zoo_leaderboard.records.trials import summarise_trial
from zoo_leaderboard.site.build import build_site

from zoo_core.results.current import CurrentCode, current_files, newest_by_key, read_current, save_current
from zoo_core.results.store import Store

EARLY, LATE = "2026-01-02T00:30:00.000000+00:00", "2026-01-03T00:00:00.000000+00:00"


def note(code="c0de", asked_at=LATE, **more):
    return CurrentCode(
        **{"task": "zoo-a:digits", "dataset": "zoo-a:digits", "model": "zoo-a:net", "source": "", **more},
        code_sha256=code,
        asked_at=asked_at,
    )


@pytest.fixture
def rows():
    """By text of the recipe and model, score and reason why the row is out of date."""

    def rows_of(records, *notes):
        trials = [summarise_trial(record, record.id) for record in records]
        board = task_board(trials, Versions(tasks={}, datasets={}, models={}), newest_by_key(notes))
        return {
            (row.model.partition(":")[2], *row.recipe.values()): (row.score, row.stale)
            for group in board.groups
            for row in group.frame.itertuples()
        }

    return rows_of


def test_after_an_edit_and_its_undoing_the_first_code_is_current_again(record, rows):
    a, b = record(score=0.6, code="a", minute=1), record(score=0.9, code="b", minute=2)
    assert rows([a, b]) == {("net", 0.1): (0.9, "")}
    assert rows([a, b], note("a")) == {("net", 0.1): (0.6, "")}
    assert rows([a, b], note("b")) == {("net", 0.1): (0.9, "")}


def test_a_row_of_other_settings_that_keeps_older_code_is_out_of_date(record, rows):
    slow = {"lr": 0.01}
    records = [
        record(score=0.6, code="a", minute=1),
        record(score=0.7, code="a", minute=2, recipe=slow),
        record(score=0.9, code="b", minute=3),
    ]
    assert rows(records) == {("net", 0.1): (0.9, ""), ("net", 0.01): (0.7, OTHER_CODE)}
    back = note("a")
    assert rows(records, back) == {("net", 0.1): (0.6, ""), ("net", 0.01): (0.7, "")}
    only_b = record(score=0.8, code="b", minute=4, recipe={"lr": 1})
    assert rows([*records, only_b], back)["net", 1] == (0.8, OTHER_CODE)


def test_a_row_out_of_date_has_no_rank(record, boards):
    (board,) = boards([record(code="a", recipe={"lr": 1}), record(code="b", minute=2), record(model="zoo-a:other")])
    (group,) = board.groups
    assert sorted(group.ranked["model"]) == ["zoo-a:net", "zoo-a:other"]
    assert len(group.frame) == 3


def test_older_code_on_another_device_is_out_of_date(record, boards):
    (board,) = boards([record(code="a", device="cuda"), record(code="b", minute=2)])
    assert {group.key.device_class: group.frame["stale"][0] for group in board.groups} == {
        "cuda": OTHER_CODE,
        "cpu": "",
    }


def test_another_model_and_another_data_set_keep_their_own_code(record, boards):
    records = [
        record(code="a", model="zoo-a:other"),
        record(code="a", dataset="zoo-a:other"),
        record(code="b", minute=9),
    ]
    (board,) = boards(records)
    assert [row.stale for group in board.groups for row in group.frame.itertuples()] == ["", "", ""]


def test_a_trial_that_ended_in_the_middle_replaces_no_result_but_its_code_is_current(record, rows):
    a, b = record(score=0.6, code="a", minute=1), record(status="interrupted", code="b", minute=2)
    assert rows([a, b]) == {("net", 0.1): (0.6, "")}
    assert rows([a, b], note("b")) == {("net", 0.1): (0.6, OTHER_CODE)}
    assert rows([a], note("b")) == {("net", 0.1): (0.6, OTHER_CODE)}  # killed before it had a record


def test_a_record_later_than_the_note_counts_more(record, rows):
    a, b = record(score=0.6, code="a", minute=1), record(score=0.9, code="b", minute=45)
    assert rows([a, b], note("a", EARLY)) == {("net", 0.1): (0.9, "")}


def test_seeds_of_other_code_of_the_task_are_not_averaged(record, rows):
    def measured(score, seed, task, minute):
        return record(score=score, seed=seed, minute=minute, other_code={"dataset": "d", "task": task})

    records = [measured(0.5, 0, "old", 1), measured(0.5, 1, "old", 2), measured(0.9, 0, "new", 3)]
    assert rows(records) == {("net", 0.1): (0.9, "")}
    back = note(other_code={"dataset": "d", "task": "old"})
    assert rows(records, back) == {("net", 0.1): (0.5, "")}


@pytest.mark.parametrize("part", ["model", "task"])
def test_a_version_that_was_taken_back_is_current_again(part, record, save, results, tmp_path):
    new = {"task_version": 2} if part == "task" else {"model_version": 2}
    store = save(record(score=0.6, minute=1), record(score=0.9, minute=2, **new))
    build_site([results], tmp_path / "site")
    assert stale_scores(tmp_path / "site") == [0.6]
    save_current(store, note(versions={"model": 1, "dataset": 1, "task": 1}))
    build_site([results], tmp_path / "site")
    assert stale_scores(tmp_path / "site") == [0.9]


def test_an_unknown_part_of_the_code_agrees_with_any(record, rows):
    earlier = record(score=0.5, seed=0, recipe={"lr": 1})  # before records had the code of the task
    new = record(score=0.9, minute=3, other_code={"dataset": "d", "task": "t"})
    assert rows([earlier, new]) == {("net", 1): (0.5, ""), ("net", 0.1): (0.9, "")}


# the notes as files


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json"))


def test_a_note_is_a_small_readable_file_beside_the_tasks_records(results):
    save_current(Store(results), note())
    [path] = current_files(results / "zoo-a--digits")
    assert path.relative_to(results).as_posix().startswith("zoo-a--digits/current/zoo-a--net-")
    assert json.loads(path.read_text()) == {
        "task": "zoo-a:digits",
        "dataset": "zoo-a:digits",
        "model": "zoo-a:net",
        "code_sha256": "c0de",
        "asked_at": LATE,
        "other_code": {},
        "versions": {},
        "source": "",
    }
    assert list(Store(results).read()) == []  # a note is no record


def test_the_later_of_two_notes_stays_in_either_order(results):
    for first, second in ((EARLY, LATE), (LATE, EARLY)):
        save_current(Store(results), note("early", EARLY) if first == EARLY else note("late", LATE))
        save_current(Store(results), note("early", EARLY) if second == EARLY else note("late", LATE))
        [path] = current_files(results / "zoo-a--digits")
        assert json.loads(path.read_text())["code_sha256"] == "late"
        path.unlink()


def test_concurrent_writers_leave_a_whole_note_at_any_time(results):
    store = Store(results)
    save_current(store, note("0" * 64))
    with ThreadPoolExecutor(8) as writers:
        written = [writers.submit(save_current, store, note(str(n % 10) * 64)) for n in range(80)]
        while not all(item.done() for item in written):
            assert len(newest_by_key(read_current(results / "zoo-a--digits"))) == 1
    assert [item.result() for item in written] == [None] * 80
    assert [path.name for path in (results / "zoo-a--digits/current").iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("model", ["zoo-a:Net", "zoo-a:net ", "zoo-a:нет", "../../net", "a/b", "x" * 500, "\udcff"])
def test_each_model_has_a_note_of_its_own_inside_the_folder(model, results):
    save_current(Store(results), note(model="zoo-a:net"))
    if model == "\udcff":
        model = "zoo-a:\ufffd"
    save_current(Store(results), note(model=model))
    assert len(current_files(results / "zoo-a--digits")) == 2
    assert len(files(results)) == 2


FIELDS = b'{"task":"zoo-a:digits","dataset":"zoo-a:digits","model":"zoo-a:net","code_sha256":"a",'


def page_of(site: Path) -> str:
    (page,) = (site / "tasks").glob("*.html")
    return page.read_text("utf-8")


def stale_rows(site: Path) -> dict[float, str]:
    (data,) = (site / "data").glob("zoo-a*.json")
    (group,) = json.loads(data.read_text())["groups"]
    return {row["score"]: row["stale"] for row in group["models"]}


def stale_scores(site: Path) -> list[float]:
    (data,) = (site / "data").glob("zoo-a*.json")
    rows = [row for group in json.loads(data.read_text())["groups"] for row in group["models"]]
    return [row["score"] for row in rows if row["stale"]]


def test_a_changed_note_makes_the_page_anew(record, save, results, tmp_path):
    store = save(record(score=0.6, code="a", minute=1), record(score=0.9, code="b", minute=2))
    build_site([results], tmp_path / "site")
    assert stale_rows(tmp_path / "site") == {0.9: ""}
    save_current(store, note("a"))
    assert build_site([results], tmp_path / "site").rendered > 0
    assert stale_rows(tmp_path / "site") == {0.6: ""}
    assert build_site([results], tmp_path / "site").rendered == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"task": 1}',
        FIELDS + b'"asked_at":"tomorrow"}',
        FIELDS + b'"asked_at":"2026-01-03"}',
        FIELDS + b'"asked_at":"9999-12-31T23:59:59-23:00"}',
    ],
)
def test_a_broken_note_is_reported_and_left_out(content, record, save, results, tmp_path):
    store = save(record(score=0.6, code="a", minute=1), record(score=0.9, code="b", minute=2))
    save_current(store, note("a"))
    [path] = current_files(results / "zoo-a--digits")
    path.write_bytes(content)
    built = build_site([results], tmp_path / "site")
    assert [item.path for item in built.unreadable] == [path]
    assert "note" in built.unreadable[0].reason
    assert stale_rows(tmp_path / "site") == {0.9: ""}
    save_current(store, note("a"))  # the next `zoo bench` writes it again
    assert build_site([results], tmp_path / "site").unreadable == []


def test_the_out_of_date_row_is_grey_and_says_why(record, save, results, tmp_path):
    save(record(score=0.6, code="a", recipe={"lr": 1}), record(score=0.9, code="b", minute=2))
    build_site([results], tmp_path / "site")
    page = page_of(tmp_path / "site")
    assert page.count('class=" stale"') == 1
    assert page.count(OTHER_CODE) == 1


def test_a_merge_keeps_the_later_note_and_the_board_follows_it(record, results, tmp_path):
    laptop, server, both = Store(tmp_path / "laptop"), Store(tmp_path / "server"), tmp_path / "both"
    laptop.save(record(score=0.6, code="a", minute=1))
    save_current(laptop, note("a", LATE))
    server.save(record(score=0.9, code="b", minute=2))
    save_current(server, note("b", EARLY))
    for order in ([laptop.folder, server.folder], [server.folder, laptop.folder]):
        merge(order, both)
        build_site([both], tmp_path / "site")
        assert stale_rows(tmp_path / "site") == {0.6: ""}
    build_site([laptop.folder, server.folder], tmp_path / "two")
    assert stale_rows(tmp_path / "two") == {0.6: ""}


def test_a_comparison_of_two_folders_takes_the_current_code_of_each(record, tmp_path):
    before, after = Store(tmp_path / "before"), Store(tmp_path / "after")
    for store in (before, after):
        for seed in range(3):
            store.save(record(score=0.6, seed=seed, code="a", minute=seed))
            store.save(record(score=0.9, seed=seed, code="b", minute=9 + seed))
    save_current(before, note("a"))
    [(old, new)] = two_folders([before.folder], [after.folder]).both.values()
    assert [[trial.score for trial in trials] for trials in (old, new)] == [[0.6] * 3, [0.9] * 3]


# from the command line

NET = """
from torch import nn

def Net(width=1):
    "{title}"
    return nn.Sequential(nn.Linear(1, width), nn.Linear(width, 1))
"""
BENCH = ("--offline", "--device", "cpu", "--max-steps", "2")


@pytest.fixture
def bench(zoo):
    """Run `zoo bench cosine` for a file, after writing it; the output."""

    def run(title, *more, file="net.py"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(NET.format(title=title))
        done = zoo("bench", "cosine", "--model", f"./{file}:Net", *BENCH, *more)
        assert done.code == 0, done.err
        return done.out

    return run


@pytest.fixture
def board(zoo):
    """Build the site and return its rows: title, or with `settings` the width, and whether the row is out of date."""

    def rows(*folders, field="title"):
        done = zoo("leaderboard", "build", *folders)
        assert done.code == 0, done.err
        (data,) = Path("site/data").glob("zoo-cosine*.json")
        models = [row for group in json.loads(data.read_text())["groups"] for row in group["models"]]
        read = {"title": lambda row: row["title"], "model": lambda row: row["model"], "width": _width}[field]
        return sorted((read(row), bool(row["stale"])) for row in models)

    return rows


def _width(row):
    return row["title"], row["recipe"]["width"]


def test_an_edit_and_its_undoing_on_the_command_line(bench, board):
    bench("A")
    bench("A", "--set", "width=2")
    bench("B")
    bench("B", "--set", "width=3")
    assert board(field="width") == [(("A", 2), True), (("B", 1), False), (("B", 3), False)]
    assert "1 recorded already" in bench("A")
    assert board(field="width") == [(("A", 1), False), (("A", 2), False), (("B", 3), True)]
    assert bench("A", "--set", "width=2", "--dry-run")
    bench("B", "--dry-run")  # asks for nothing
    assert board(field="width") == [(("A", 1), False), (("A", 2), False), (("B", 3), True)]


def test_two_students_of_one_name_stay_apart_when_their_records_are_merged(bench, board, zoo, monkeypatch, tmp_path):
    for student in ("Анна", "Björn"):
        monkeypatch.setenv("ZOO_CACHE", str(tmp_path / f"cache of {student}"))  # another user on another machine
        bench(student)  # at the same path
        Path("results").rename(student)
    assert zoo("results", "merge", "Анна", "Björn", "--into", "all").code == 0
    assert board("all") == [("Björn", False), ("Анна", False)]
    text = page_of(Path("site"))
    assert [text.count(f'<span class="sub"><bdi>{name}</bdi>') for name in ("Анна", "Björn")] == [1, 1]


def test_a_merge_warns_of_one_given_name_for_two_models(bench, zoo, monkeypatch, tmp_path):
    for folder, title in (("one", "A"), ("two", "B"), ("three", "B")):
        monkeypatch.setenv("ZOO_CACHE", str(tmp_path / f"cache {folder}"))
        bench(title, "--name", "net")
        Path("results").rename(folder)
    assert "warning" not in zoo("results", "merge", "two", "three", "--into", "same code").err
    merged = zoo("results", "merge", "one", "two", "--into", "all")
    assert merged.code == 0
    assert "warning: unpackaged:net names models of two sources" in merged.err


def test_two_students_in_one_results_folder_stay_apart_and_may_take_names(bench, board):
    bench("First", file="первая/net.py")
    bench("Second", file="вторая/net.py")
    assert board() == [("First", False), ("Second", False)]
    bench("First", "--name", "Сеть Анны", file="первая/net.py")
    names = [name for name, _ in board(field="model")]
    assert "unpackaged:Сеть Анны" in names
    assert len(set(names)) == 3


def test_a_folder_without_notes_shows_the_code_of_the_newest_record(bench, board):
    bench("A")
    bench("B")
    for path in Path("results").glob("*/current/*.json"):
        path.unlink()
    assert board() == [("B", False)]
    bench("A")
    assert board() == [("A", False)]


def test_a_killed_run_leaves_whole_notes_and_its_temporary_files_are_removed(bench, board, results):
    bench("A")
    [path] = Path("results").glob("*/current/*.json")
    left = path.with_name(f".{path.name}.0123.tmp")
    left.write_text("{")
    os.utime(left, (0, 0))
    bench("A", "--force")
    assert not left.exists()
    assert board() == [("A", False)]


def test_a_results_folder_that_cannot_be_written_still_answers(bench, monkeypatch):
    bench("A")

    def refuse(*_):
        raise PermissionError(13, "read-only", "results")

    monkeypatch.setattr("zoo_core.results.current.write_atomically", refuse)
    assert "1 recorded already" in bench("A")
