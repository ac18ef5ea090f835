"""What counts as a submission: files, folders, notebooks, repositories and tables; names, encodings and times."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zoo_class.rules import choose, late_factor
from zoo_class.settings import Settings, Submissions, read_settings
from zoo_class.snapshots import UnusableError, source_files, take_snapshot
from zoo_class.submissions import Found, find_submissions

from zoo_core.errors import UsageError

Make = Callable[..., Path]
SETTINGS = Settings(title="A", task="cosine")


def found_in(folder: Path) -> Found:
    return find_submissions(folder, read_settings(folder / "class.toml").submissions)


def names_of(found: Found) -> list[str]:
    return [person.name for person in found.people]


def snapshot_of(folder: Path, name: str) -> Any:
    (attempt,) = [item for item in found_in(folder).attempts if item.person.name == name]
    return take_snapshot(attempt, folder / "work", "Jade Otter", read_settings(folder / "class.toml"))


def test_a_folder_has_an_entry_for_each_student_with_any_name(make_class: Make, kit: Any) -> None:
    folder = make_class(
        {
            "Анна Ли.py": kit.net(),
            "Boris B/net.py": kit.net(),
            "=cmd|'x'.ipynb": kit.notebook(kit.net()),
            "Çem/1/net.py": kit.net(),
            "Çem/2/net.py": kit.net(),
        }
    )
    found = found_in(folder)
    assert names_of(found) == ["=cmd|'x'", "Boris B", "Çem", "Анна Ли"]
    assert [(item.person.name, item.number) for item in found.attempts if item.person.name == "Çem"] == [
        ("Çem", 1),
        ("Çem", 2),
    ]


def test_a_roster_says_who_is_missing_and_finds_people_by_any_spelling(make_class: Make, kit: Any) -> None:
    roster = "name;email;submission\nAnna Berg;a@x;\nBo Ek;b@x;be01\nCy;c@x;\n"
    folder = make_class(
        {"anna  BERG.py": kit.net(), "be01/net.py": kit.net()},
        roster=roster,
        more='[submissions]\nroster = "roster.csv"\n',
    )
    found = found_in(folder)
    assert names_of(found) == ["Anna Berg", "Bo Ek", "Cy"]
    assert [item.person.email for item in found.attempts] == ["a@x", "b@x"]
    assert found.of(found.people[2]) == []


def test_a_submission_belongs_to_one_person_of_the_roster(make_class: Make, kit: Any) -> None:
    more = '[submissions]\nroster = "roster.csv"\n'
    folder = make_class({"Anna.py": kit.net()}, roster="name,email,submission\nAnna,a@x,s1\nBo,b@x,s2\n", more=more)
    assert [item.person.email for item in found_in(folder).attempts] == ["a@x"]  # by the name, too
    (folder / "roster.csv").write_text("name,submission\nAnna,team\nBo,team\n")
    with pytest.raises(UsageError, match="the submission 'team' belongs to Anna and Bo: name one"):
        found_in(folder)
    (folder / "roster.csv").write_text("name,submission\nAnna,bo\nBo,s2\n")
    with pytest.raises(UsageError, match="the submission 'bo' belongs to Bo and Anna"):
        found_in(folder)


def test_a_table_names_path_and_time_of_each_attempt(make_class: Make, kit: Any) -> None:
    folder = make_class({"first.py": kit.net(8), "second.py": kit.net(9)}, more='[submissions]\ntable = "all.csv"\n')
    times = {"second.py": "2026-02-02T10:00:00+01:00", "first.py": "2026-02-01T10:00:00+01:00"}
    table = "name,path,time\n" + "".join(f"Éva,submissions/{name},{time}\n" for name, time in times.items())
    (folder / "all.csv").write_bytes(table.encode("utf-16"))
    found = found_in(folder)
    assert [(item.path.name, item.number) for item in found.attempts] == [("first.py", 1), ("second.py", 2)]
    assert found.attempts[0].time.isoformat() == "2026-02-01T10:00:00+01:00"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_repository_counts_from_its_last_commit_and_its_settings_run_nothing(make_class: Make, kit: Any) -> None:
    folder = make_class({"Dan/net.py": kit.net()})
    repository = folder / "submissions" / "Dan"
    kit.make_repository(repository, "2026-02-01T10:00:00+0000")
    (repository / ".git" / "config").write_text(
        f"[core]\n\tfsmonitor = touch {folder}/ran\n\tpager = touch {folder}/ran\n[log]\n\tshowSignature = true\n"
        f"[gpg]\n\tprogram = touch {folder}/ran\n[alias]\n\tcat-file = !touch {folder}/ran\n"
    )
    (attempt,) = found_in(folder).attempts
    assert attempt.time.isoformat() == "2026-02-01T10:00:00+00:00"
    shutil.rmtree(repository / ".git")
    (repository / ".git").mkdir()
    kit.make_repository(folder, "2026-09-01T10:00:00+0000")  # of the teacher
    (attempt,) = found_in(folder).attempts
    assert attempt.time.timestamp() == kit.IN_TIME
    assert not (folder / "ran").exists()


def test_files_in_other_encodings_are_read_and_the_student_is_told(make_class: Make, kit: Any) -> None:
    source = kit.net().replace("A network", "Сеть")
    declared = f"# -*- coding: cp1251 -*-\n{source}".encode("cp1251")
    folder = make_class(
        {"A.py": source.encode("cp1251"), "B.py": source.encode("utf-16"), "C.py": declared, "D.py": source}
    )
    old = snapshot_of(folder, "A")
    assert "Сеть" in (old.folder / "net.py").read_text(encoding="utf-8")
    assert old.notes == ("A.py is not in UTF-8 and was read as cp1251: save it in UTF-8",)
    assert "read as utf-16" in snapshot_of(folder, "B").notes[0]
    assert [snapshot_of(folder, name).notes for name in "CD"] == [(), ()]
    assert (snapshot_of(folder, "C").folder / "net.py").read_bytes() == declared


def test_a_declared_encoding_that_decodes_nothing_is_no_error_of_the_run(make_class: Make, kit: Any) -> None:
    folder = make_class({"S.py": f"# coding: undefined\n{kit.net()}"})
    assert snapshot_of(folder, "S").notes


def test_a_notebook_gives_its_marked_cells_and_a_package_its_model(make_class: Make, kit: Any) -> None:
    folder = make_class(
        {
            "N.ipynb": kit.notebook(
                "import pandas", f"# zoo: submit\n%matplotlib inline\n!pip install x\n{kit.net(7)}", "plot()"
            ),
            "P/nets/__init__.py": "from nets.parts import Net\n",
            "P/nets/parts.py": kit.net(),
            "Q/__init__.py": "from .parts import Net\n",
            "Q/parts.py": kit.net(),
        }
    )
    source = (snapshot_of(folder, "N").folder / "net.py").read_text()
    assert source.startswith("# zoo: submit\n# %matplotlib inline\n# !pip install x\n")
    assert "pandas" not in source
    assert "plot()" not in source
    package = snapshot_of(folder, "P")
    assert sorted(source_files(package.folder)) == ["net.py", "nets/__init__.py", "nets/parts.py"]
    assert (package.folder / "net.py").read_text() == "from nets import Net\n"
    assert sorted(source_files(snapshot_of(folder, "Q").folder)) == [
        "net.py",
        "submission/__init__.py",
        "submission/parts.py",
    ]


UNMARKED = '{"cells": [{"cell_type": "code", "metadata": {}, "source": "x = 1"}]}'
UNUSABLE = {
    "a notebook without a mark": ({"S.ipynb": UNMARKED}, "no cell of the notebook begins with `# zoo: submit`"),
    "no notebook": ({"S.ipynb": "[1]"}, "it is no notebook: save it again as .ipynb"),
    "a folder without a file": ({"S/readme.txt": "x", "S/a/net.py": "x"}, "there is no file net.py in the folder"),
    "two files": ({"S/a.py": "x", "S/b.py": "x"}, "there is no file net.py in the folder, but a.py, b.py: rename"),
    "an archive": ({"S.py": b"PK\x03\x04\0\0"}, "holds zero bytes, so it is no source file"),
    "a large file": ({"S.py": b"#" * (2 << 20)}, "larger than"),
    "two checkpoints": ({"S/net.py": "x", "S/a.safetensors": "x", "S/b.safetensors": "x"}, "it has 2 checkpoints"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_cannot_be_used_is_said_with_what_to_do(make_class: Make, kit: Any, kind: str) -> None:
    files, words = UNUSABLE[kind]
    folder = make_class(files, more="[limits]\nsubmission_mib = 1\n")
    with pytest.raises(UnusableError) as raised:
        snapshot_of(folder, "S")
    assert words in str(raised.value)
    assert str(folder) not in str(raised.value)


def test_links_are_never_followed(make_class: Make, kit: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("secret = 1")
    folder = make_class({"A/net.py": kit.net()})
    (folder / "submissions" / "A" / "other.py").symlink_to(tmp_path / "secret.py")
    (folder / "submissions" / "B.py").symlink_to(tmp_path / "secret.py")
    assert [*source_files(snapshot_of(folder, "A").folder)] == ["net.py"]
    with pytest.raises(UnusableError, match="it is a link"):
        snapshot_of(folder, "B")


def test_equal_contents_are_one_snapshot_and_other_contents_another(make_class: Make, kit: Any) -> None:
    folder = make_class({"A/1/net.py": kit.net(), "A/2/net.py": kit.net(), "A/3/net.py": kit.net(9)})
    settings = read_settings(folder / "class.toml")
    digests = [take_snapshot(item, folder / "work", "x", settings).digest for item in found_in(folder).attempts]
    assert digests[0] == digests[1] != digests[2]


def chosen(folder: Path, **rules: Any) -> list[tuple[bool, int]]:
    found = found_in(folder)
    settings = Submissions(**rules, deadline=read_settings(folder / "class.toml").submissions.deadline)
    return [(choice.runs, choice.days_late) for choice in choose(found.of(found.people[0]), settings)]


def test_late_attempts_are_refused_accepted_or_cost_points_and_only_the_first_n_count(
    make_class: Make, kit: Any
) -> None:
    more = "[submissions]\ndeadline = 2026-03-01T12:00:00Z\n"
    folder = make_class({f"A/{number}/net.py": kit.net(number) for number in (1, 2, 3)}, more=more)
    for number, seconds in ((1, kit.IN_TIME), (2, kit.IN_TIME + 60), (3, kit.TOO_LATE + 86400)):
        os.utime(folder / "submissions" / "A" / str(number) / "net.py", (seconds, seconds))
        os.utime(folder / "submissions" / "A" / str(number), (kit.IN_TIME, kit.IN_TIME))
    assert chosen(folder) == [(False, 0), (True, 0), (False, 2)]
    assert chosen(folder, late="accept") == [(False, 0), (False, 0), (True, 2)]
    assert chosen(folder, attempts="best", late="reduce") == [(True, 0), (True, 0), (True, 2)]
    assert chosen(folder, attempts="best", most_attempts=1) == [(True, 0), (False, 0), (False, 2)]
    assert late_factor(2, Submissions(late="reduce", late_pct_per_day=30.0)) == pytest.approx(0.4)
    assert late_factor(9, Submissions(late="reduce", late_pct_per_day=30.0)) == 0.0
    assert late_factor(2, Submissions(late="accept")) == 1.0
