"""A small class from submissions to boards: run, run again, graded, shown, forgotten."""

from __future__ import annotations

import csv
import getpass
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file
from zoo_class.alike import find_alike
from zoo_class.boards import Built, build_boards
from zoo_class.course import run_class
from zoo_class.forgetting import find_traces, forget
from zoo_class.grading import grade_class, write_grades
from zoo_class.outcomes import Outcome, Outcomes, load_outcomes, mark_counting
from zoo_class.places import PARTS, Places
from zoo_class.running import Ran
from zoo_class.scores import read_by_id

from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.files import cache_dir
from zoo_core.measure.environment import commit, machine_id
from zoo_core.results.store import Store
from zoo_core.runner.listener import NoDisplay
from zoo_core.runner.request import Request

EVIL = "=cmd|'x'"
OPEN = "sandbox = false\ndata.hide_labels = false\n"
SETTINGS = """
sandbox = false
[recipe]
steps = 20
[submissions]
roster = "roster.csv"
deadline = 2026-03-01T12:00:00Z
[data]
hide_labels = false
[[points.targets]]
name = "better than nothing"
score = 10.0
points = 4
[[points.targets]]
name = "perfect"
score = 1e-9
points = 10
[[points.bonus]]
name = "small"
measure = "parameters"
at_most = 100
points = 1
"""


def write_class(folder: Path, kit: Any) -> Places:
    """Right, a copy of it, of a wrong shape, broken, late, the template, missing."""
    files = {
        "Анна Ли.py": kit.net(48, "Tanh").replace("A network", "By Анна Ли"),
        f"{EVIL}.py": kit.RENAMED,
        "Boris/net.py": kit.net(8).replace("nn.Linear(width, signature.outputs)", "nn.Linear(width + 1, 1)"),
        "Cy.py": "def broken(:",
        "Dora.py": kit.net(9),
        "Eve.py": kit.TEMPLATE,
    }
    for name, content in files.items():
        path = folder / "submissions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        when = kit.TOO_LATE if name == "Dora.py" else kit.IN_TIME
        os.utime(path, (when, when))
        os.utime(path.parent, (kit.IN_TIME, kit.IN_TIME))
    (folder / "template").mkdir()
    (folder / "template" / "net.py").write_text(kit.TEMPLATE)
    names = ["Анна Ли", EVIL, "Boris", "Cy", "Dora", "Eve", "Franz"]
    rows = "".join(f'"{name}",{number}@school.example,{number}\n' for number, name in enumerate(names))
    (folder / "roster.csv").write_text(f"name,email,id\n{rows}", encoding="utf-8")
    (folder / "class.toml").write_text(f'title = "A class"\ntask = "cosine"\n{SETTINGS}', encoding="utf-8")
    return Places(folder)


@pytest.fixture(scope="module")
def boards(course: Any) -> Built:
    return build_boards(course[0], "public")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> tuple[Places, Outcomes, Ran]:
    folder = tmp_path_factory.mktemp("class")
    places = write_class(folder, kit)
    outcomes, ran = run_class(places, "public", NoDisplayBlock)
    return places, outcomes, ran


class NoDisplayBlock(NoDisplay):
    """A display that shows nothing, for `with`."""

    def __enter__(self) -> NoDisplay:
        return self

    def __exit__(self, *_: object) -> None: ...


def by_name(outcomes: Outcomes) -> dict[str, Outcome]:
    return {item.name: item for item in outcomes.counting}


def test_each_student_has_one_outcome_that_says_what_became_of_it(course: Any) -> None:
    _, outcomes, ran = course
    found = {name: item.status for name, item in by_name(outcomes).items()}
    assert found == {
        "Анна Ли": "ok",
        EVIL: "ok",
        "Boris": "error",
        "Cy": "unreadable",
        "Dora": "late",
        "Eve": "template",
        "Franz": "missing",
    }
    assert [*found] == ["Анна Ли", EVIL, "Boris", "Cy", "Dora", "Eve", "Franz"]
    assert ran.new == 3
    reasons = {name: item.reason for name, item in by_name(outcomes).items()}
    assert "mat1 and mat2 shapes cannot be multiplied" in reasons["Boris"]
    assert reasons["Cy"].startswith("net.py, line 1: invalid syntax")
    assert reasons["Dora"] == "handed in on 2026-03-01 at 13:00, after the deadline 2026-03-01 at 12:00"
    assert load_outcomes(course[0], "public") == outcomes


def test_no_record_and_no_path_of_a_record_holds_a_name(course: Any) -> None:
    places, outcomes, _ = course
    names = {item.alias for item in outcomes.counting}
    assert len(names) == 7
    content = b"".join(path.read_bytes() for path in places.results("public").glob("*/*.json"))
    for name in (EVIL, "Boris", "Eve"):
        assert name.encode() not in content
    assert not any("Boris" in str(path) for path in (*places.work.rglob("*"), *places.results("public").rglob("*")))


def test_a_second_run_runs_nothing_and_a_change_runs_only_that(course: Any, kit: Any) -> None:
    places, outcomes, _ = course
    again, ran = run_class(places, "public", NoDisplayBlock)
    assert ran.new == 0
    assert again == outcomes
    path = places.root / "submissions" / f"{EVIL}.py"
    path.write_text(kit.RENAMED + "\n# a remark\n", encoding="utf-8")
    os.utime(path, (kit.IN_TIME, kit.IN_TIME))
    changed, ran = run_class(places, "public", NoDisplayBlock)
    assert ran.new == 1
    assert by_name(changed)[EVIL].digest != by_name(outcomes)[EVIL].digest
    assert by_name(changed)[EVIL].alias == by_name(outcomes)[EVIL].alias
    path.write_text(kit.RENAMED, encoding="utf-8")
    os.utime(path, (kit.IN_TIME, kit.IN_TIME))
    assert run_class(places, "public", NoDisplayBlock)[1].new == 0


def test_grades_have_points_with_reasons_in_all_forms(course: Any) -> None:
    places, outcomes, _ = course
    grades = grade_class(places)
    write_grades(places, grades)
    score = by_name(outcomes)["Анна Ли"].score
    expected = round(4 + 6 * (10 - score) / (10 - 1e-9), 2)
    with (places.out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert [*rows] == ["Анна Ли", f"'{EVIL}", "Boris", "Cy", "Dora", "Eve", "Franz"]
    assert float(rows["Анна Ли"]["points"]) == expected
    assert rows["Анна Ли"]["most"] == "11.0"
    assert "better than nothing (10.0000) is reached, 4 points" in rows["Анна Ли"]["reason"]
    assert "small: 0.00 of 1, parameters 145, at most 100 is asked for" in rows["Анна Ли"]["reason"]
    assert rows["Franz"]["reason"] == "nothing was handed in"
    assert rows["Boris"]["points"] == "0.0"
    results = json.loads((places.out / "gradescope" / "001-_" / "results.json").read_text())
    assert (results["score"], results["visibility"]) == (expected, "after_published")
    assert [test["max_score"] for test in results["tests"]] == [10.0, 1.0]
    moodle = (places.out / "moodle.csv").read_text(encoding="utf-8-sig").splitlines()
    assert moodle[0] == "ID number,Email address,Full name,Grade,Feedback"
    assert moodle[1].startswith(f"0,0@school.example,Анна Ли,{expected:.2f},")


def test_equal_code_predictions_and_weights_of_two_students_are_pointed_at(course: Any) -> None:
    (pair,) = find_alike(course[0])
    assert {pair.one.name, pair.other.name} == {"Анна Ли", EVIL}
    assert [words.partition(":")[0] for words in pair.equal] == ["code", "predictions", "weights"]


def test_the_boards_are_built_and_the_public_one_holds_no_name_path_host_user_or_commit(
    course: Any, boards: Built
) -> None:
    places, outcomes, _ = course
    assert boards.board is not None
    assert boards.teachers_board is not None
    secret = ["Анна", "Boris", EVIL, "=cmd", "Franz", "@school.example", str(places.root), places.root.name]
    secret += [
        socket.gethostname(),
        f"{Path.home()}/",
        f"/{getpass.getuser()}/",
        commit().rstrip("+"),
        machine_id(),
        "net.py",
        "mat1",
    ]
    secret = [word for word in [*secret, *(item.digest for item in outcomes.counting)] if word]
    files = [path for path in places.board.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        for word in secret:
            assert word.encode() not in content, f"{word} in {path}"
            assert word.encode("unicode_escape") not in content, f"{word} in {path}"
    page = "".join(path.read_text() for path in places.board.glob("tasks/*.html"))
    assert by_name(outcomes)["Анна Ли"].alias in page
    assert "perfect" in page
    teachers = (places.out / "teacher.html").read_text()
    assert "Анна Ли" in teachers
    assert "nothing was handed in" in teachers
    assert "Equal predictions: " in teachers
    assert not any(b"Boris" in path.read_bytes() for path in cache_dir().glob("leaderboard/**/*") if path.is_file())


def test_each_student_has_a_page_without_a_name_and_a_link_that_only_the_teacher_knows(
    course: Any, boards: Built
) -> None:
    places, outcomes, _ = course
    assert boards.pages == 7
    with (places.private / "links.csv").open(encoding="utf-8-sig", newline="") as file:
        links = {row["name"]: row["page"] for row in csv.DictReader(file)}
    assert len({*links.values()}) == 7
    assert all(len(page) > 20 for page in links.values())
    page = (places.pages / links["Boris"]).read_text()
    assert "it failed: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in page
    assert "Try: `zoo check ./net.py:Net --task cosine`" in page
    assert "Boris" not in page
    good = (places.pages / links["Анна Ли"]).read_text()
    assert "<svg" in good
    assert "of 11 points" in good
    assert by_name(outcomes)["Анна Ли"].alias in good


def test_a_pseudonym_stays_and_the_file_is_for_its_owner_only(course: Any) -> None:
    places, outcomes, _ = course
    people = json.loads((places.private / "people.json").read_text())
    assert {entry["alias"] for entry in people["entries"].values()} == {item.alias for item in outcomes.counting}
    if os.name == "posix":
        assert places.private.stat().st_mode & 0o077 == 0


def test_forgetting_removes_every_trace_and_nothing_of_the_others(course: Any, boards: Built, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    shutil.copytree(course[0].root, folder)
    places = Places(folder)
    write_grades(places, grade_class(places))
    boris, before = by_name(load_outcomes(places, "public"))["Boris"], [*folder.glob("results/*/*/*.json")]
    alias = boris.alias
    with pytest.raises(UnknownNameError, match="did you mean Boris"):
        find_traces(places, "Borris")
    forget(places, find_traces(places, "boris"))
    for path in folder.rglob("*"):
        assert "Boris" not in path.name
        assert alias not in path.name
        if path.is_file():
            assert b"Boris" not in path.read_bytes(), path
            assert alias.encode() not in path.read_bytes(), path
    left = load_outcomes(places, "public").counting
    assert [item.name for item in left] == ["Анна Ли", EVIL, "Cy", "Dora", "Eve", "Franz"]
    gone = {path.stem for path in before} - {path.stem for path in folder.glob("results/*/*/*.json")}
    assert gone == {*boris.records}


def test_a_killed_run_loses_nothing_and_the_next_runs_only_the_rest(
    make_class: Callable[..., Path], kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{name}.py": kit.net(width) for width, name in enumerate(("Ada", "Bea", "Cleo"), 4)}
    top = f"{OPEN}recipe.steps = 4\n"
    places = Places(make_class(files, top=top))

    class Killed(NoDisplayBlock):
        def began(self, trial: Any, number: int, total: int) -> None:
            if number == 3:
                raise MemoryError  # as sudden as a kill: nothing after it runs

    with pytest.raises(MemoryError):
        run_class(places, "public", Killed)
    assert not places.outcomes("public").exists()
    before = {path.name: path.stat().st_mtime_ns for path in places.results("public").glob("*/*.json")}
    assert len(before) == 2
    outcomes, ran = run_class(places, "public", NoDisplayBlock)
    assert ran.new == 1
    assert [item.status for item in outcomes.counting] == ["ok"] * 3
    after = {path.name: path.stat().st_mtime_ns for path in places.results("public").glob("*/*.json")}
    assert before.items() <= after.items()


@pytest.mark.skipif("jobs" not in Request.__dataclass_fields__, reason="this zoo-core runs one trial at a time")
def test_several_submissions_run_at_a_time(make_class: Callable[..., Path], kit: Any) -> None:
    files = {f"{name}.py": kit.net(width) for width, name in enumerate(("Ada", "Bea"), 5)}
    places = Places(make_class(files, top=f"{OPEN}recipe.steps = 4\n"))
    outcomes, ran = run_class(places, "public", NoDisplayBlock, jobs=2)
    assert ran.new == 2
    assert [item.status for item in outcomes.counting] == ["ok", "ok"]


def attempt(number: int, status: str, score: float | None = None) -> Outcome:
    records = ["a record"] if status in ("ok", "error") else []
    return msgspec.convert(
        {"name": "A", "alias": "a", "status": status, "attempt": number, "score": score, "records": records}, Outcome
    )


@pytest.mark.parametrize(
    ("attempts", "best", "higher", "expected"),
    [
        ([attempt(1, "ok", 0.9), attempt(2, "ok", 0.8)], True, True, 1),
        ([attempt(1, "ok", 0.9), attempt(2, "ok", 0.8)], True, False, 2),
        ([attempt(1, "ok", 0.9), attempt(2, "ok", 0.9)], True, True, 2),
        ([attempt(1, "ok", 0.9), attempt(2, "error")], True, True, 1),
        ([attempt(1, "error"), attempt(2, "unreadable")], True, True, 1),
        ([attempt(1, "not counted"), attempt(2, "unreadable"), attempt(3, "late")], False, True, 2),
        ([attempt(1, "late"), attempt(2, "late")], False, True, 2),
    ],
)
def test_of_several_attempts_the_best_or_the_latest_that_ran_counts(
    attempts: list[Outcome], best: bool, higher: bool, expected: int
) -> None:
    (counting,) = [item for item in mark_counting(attempts, best=best, higher_is_better=higher) if item.counts]
    assert counting.attempt == expected


def test_a_checkpoint_is_where_the_training_begins_and_one_that_does_not_fit_says_so(
    make_class: Callable[..., Path], kit: Any, tmp_path: Path
) -> None:
    shapes = {"layers.1.weight": (4, 1), "layers.1.bias": (4,), "layers.3.weight": (1, 4), "layers.3.bias": (1,)}
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "good")
    save_file({"other": np.ones(3, np.float32)}, tmp_path / "bad")
    files = {
        "Ada/net.py": kit.net(4),
        "Ada/mine.safetensors": (tmp_path / "good").read_bytes(),
        "Bea/net.py": kit.net(4),
        "Bea/mine.safetensors": (tmp_path / "bad").read_bytes(),
    }
    places = Places(make_class(files, top=f"{OPEN}recipe.steps = 2\n"))
    outcomes, _ = run_class(places, "public", NoDisplayBlock)
    ada, bea = outcomes.counting
    (record,) = read_by_id(Store(places.results("public"))).values()
    assert (ada.status, [record.id]) == ("ok", ada.records)
    assert record.model.weights == "weights.safetensors"
    assert bea.status == "unreadable"
    assert "the weights of the file do not fit the model: layers.1.weight is missing" in bea.reason
    assert str(places.root)[:20] not in bea.reason


def test_the_private_part_gives_the_points_and_its_records_hold_scores_only(
    make_class: Callable[..., Path], kit: Any
) -> None:
    top = f"{OPEN}recipe.steps = 30\ndata.public = 'data/public'\ndata.private = 'data/private'\n"
    points = "[points]\nreached = 'interval'\ntargets = [{name = 'a', score = 0.2, points = 5}]\n"
    thief = kit.with_line("assert self.training, f'stolen {x[0].tolist()}'", 8)
    files = {"Ada.py": f"print('stolen 123')\n{kit.net(16)}", "Leo.py": thief}
    folder = make_class(files, task="mnist", top=top, more=points)
    for seed, part in enumerate(("public", "private")):
        kit.write_idx(folder / "data" / part, seed)
    places = Places(folder)
    with pytest.raises(UsageError, match="nothing has run on the private part yet"):
        grade_class(places)
    (public, _), (private, other) = (run_class(places, part, NoDisplayBlock)[0].counting for part in PARTS)
    assert public.status == private.status == "ok"
    assert public.records != private.records
    assert (other.status, other.reason) == ("error", "withheld: the data are private")
    record = read_by_id(Store(places.results("private")))[private.records[0]]
    assert record.score == private.score
    assert (record.measured.tables, record.measured.per_example, record.measured.pictures) == ({}, "", {})
    assert {path.suffix for path in places.results("private").rglob("*") if path.is_file()} == {".json"}
    assert run_class(places, "private", NoDisplayBlock)[1].new == 0
    grade, without = grade_class(places)
    assert grade.score is not None
    assert without.score is None
    assert (grade.score.low, grade.score.high) == (private.low, private.high)
    assert private.low < private.score <= private.high
    build_boards(places, "private")
    pages = "".join(path.read_text() for path in places.out.rglob("*.html"))
    assert "stolen" not in pages
    assert "stolen" not in places.outcomes("private").read_text()


def test_data_that_no_root_can_replace_and_tables_that_lead_elsewhere_are_refused(
    make_class: Callable[..., Path], kit: Any, tmp_path: Path
) -> None:
    folder = make_class(
        {"Ada.py": kit.net()}, top=f"{OPEN}data.public = 'data'\n", more='[submissions]\ntable = "t.csv"\n'
    )
    (tmp_path / "elsewhere.py").write_text(kit.net())
    (folder / "t.csv").write_text("name,path\nAda,submissions/Ada.py\nBo,../elsewhere.py\nCy,submissions\n")
    with pytest.raises(UsageError, match="cosine comes with its plugin, so no data root can replace it"):
        run_class(Places(folder), "public", NoDisplayBlock)
    with pytest.raises(UsageError, match="is outside of"):
        find_traces(Places(folder), "Bo")
    with pytest.raises(UsageError, match="also holds submissions of others"):
        find_traces(Places(folder), "Cy")


def test_a_wrong_setting_of_the_teacher_ends_the_run_before_anything_runs(
    make_class: Callable[..., Path], kit: Any
) -> None:
    top = f"{OPEN}recipe.stpes = 4\n"
    with pytest.raises(UsageError, match="stpes"):
        run_class(Places(make_class({"Ada.py": kit.net()}, top=top)), "public", NoDisplayBlock)
    with pytest.raises(UsageError, match="cannot be hidden"):
        run_class(Places(make_class({"Ada.py": kit.net()}, task="word2vec")), "public", NoDisplayBlock)
