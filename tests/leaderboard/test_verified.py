"""What the board says of records that `zoo verify` ran again: what sound notes say, and no score or rank changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_leaderboard.records.verified import (
    describe_note,
    describe_notes,
    note_on,
    read_verified,
)
from zoo_leaderboard.site.build import build_site

from zoo_core.files import portable
from zoo_core.results.reading import MAX_NOTE_BYTES
from zoo_core.results.verified import Verified

FOLDER = "zoo-a--digits"


def write_note(results: Path, record_id: str, **changes: Any) -> Path:
    """A note that the same scores came out on another machine, with changes."""
    note = {"record": record_id, "verified_at": "2026-03-01T10:00:00+00:00", "machine": "other", "same": True}
    path = results / FOLDER / "verified" / f"{portable(record_id)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**note, "differs": [], **changes}))
    return path


def pages(site: Path, folder: str) -> str:
    return "".join(path.read_text("utf-8") for path in sorted((site / folder).glob("*.html")))


def test_a_record_that_was_verified_says_so_on_its_page_in_the_table_and_in_the_data(record, save, results, tmp_path):
    made = [record(seed=seed, environment_machine="mine") for seed in range(3)]
    save(*made)
    write_note(results, made[0].id)
    write_note(results, made[1].id)
    assert build_site([results], tmp_path / "site").unreadable == []
    assert "Verified: run again on another machine, same scores." in pages(tmp_path / "site", "trials")
    assert "verified on another machine, same scores: 2 of 3 trials" in pages(tmp_path / "site", "tasks")
    (data,) = (tmp_path / "site" / "data").glob("zoo-a*.json")
    (group,) = json.loads(data.read_text())["groups"]
    assert sorted(group["verified"]) == sorted([made[0].id, made[1].id])
    assert group["verified"][made[0].id]["same"] is True


def test_a_rerun_that_differed_says_how(record, save, results, tmp_path):
    made = record(environment_machine="mine")
    save(made)
    write_note(results, made.id, same=False, differs=["score 0.9, then 0.8", *(f"<b>{n}</b>" for n in range(5))])
    build_site([results], tmp_path / "site")
    trial = pages(tmp_path / "site", "trials")
    assert "A rerun differed: score 0.9, then 0.8; &lt;b&gt;0&lt;/b&gt;; &lt;b&gt;1&lt;/b&gt;; and 3 more." in trial
    assert "a rerun of 1 trial differed" in pages(tmp_path / "site", "tasks")
    assert "<b>" not in trial


def test_a_note_changes_no_score_and_no_rank(record, save, results, tmp_path):
    save(
        *(
            record(model=f"zoo-a:m{n}", seed=seed, score=0.5 + n / 10 + seed / 1000)
            for n in range(2)
            for seed in range(3)
        )
    )
    build_site([results], tmp_path / "before")
    for path in list(results.glob("*/*.json")):
        write_note(results, path.stem, same=False)
    build_site([results], tmp_path / "after")
    (before,), (after,) = ((tmp_path / name / "data").glob("zoo-a*.csv") for name in ("before", "after"))
    assert before.read_bytes() == after.read_bytes()


def test_only_the_pages_of_a_verified_record_are_rendered_again(record, save, results, tmp_path):
    made = [record(seed=seed) for seed in range(3)]
    save(*made, record(task="zoo-a:other"))
    build_site([results], tmp_path / "site")
    write_note(results, made[0].id)
    assert build_site([results], tmp_path / "site").rendered == 2  # its task, its trial
    assert build_site([results], tmp_path / "site").rendered == 0


def test_of_two_notes_the_later_counts_whatever_the_time_zone(record, save, results, tmp_path):
    made = record()
    store = save(made)
    write_note(tmp_path / "other", made.id, same=False, verified_at="2026-03-01T11:30:00+02:00")
    write_note(results, made.id, verified_at="2026-03-01T10:00:00+00:00")
    for order in ([results, tmp_path / "other"], [tmp_path / "other", results]):
        notes, unreadable = read_verified(folder / FOLDER for folder in order)
        assert (unreadable, [note.same for note in notes.values()]) == ([], [True])
    assert store.task_folder("zoo-a:digits").name == FOLDER


def test_a_note_in_the_folder_of_another_task_counts_for_nothing(record, save, results, tmp_path):
    made = record(task="zoo-a:other")
    save(record(), made)
    write_note(results, made.id)
    build_site([results], tmp_path / "site")
    assert "erified" not in pages(tmp_path / "site", "tasks") + pages(tmp_path / "site", "trials")


BAD_NOTES = {
    "no JSON": "{",
    "no object": "[]",
    "nothing": "",
    "a word for yes": '{"record": "%s", "verified_at": "2026-01-01", "same": "yes"}',
    "no time": '{"record": "%s", "verified_at": "yesterday", "same": true}',
    "another record": '{"record": "else", "verified_at": "2026-01-01", "same": true}',
    "both": '{"record": "%s", "verified_at": "2026-01-01", "same": true, "differs": ["score"]}',
    "many differences": '{"record": "%s", "verified_at": "2026-01-01", "same": false, "differs": ['
    + '"x",' * 200
    + '"x"]}',
    "long": '{"record": "%s", "verified_at": "2026-01-01", "same": false, "differs": ["' + "x" * 2000 + '"]}',
    "large": " " * MAX_NOTE_BYTES + '{"record": "%s", "verified_at": "2026-01-01", "same": true}',
    "deep": "[" * 20_000,
    "no UTF-8": "\udcff",
    "a surrogate": '{"record": "%s", "verified_at": "2026-01-01", "same": true, "machine": "\\ud800"}',
}


@pytest.mark.parametrize("content", BAD_NOTES.values(), ids=BAD_NOTES)
def test_a_bad_note_is_left_out_by_name_and_the_record_stays(content, record, save, results, tmp_path):
    made = record()
    save(made)
    path = write_note(results, made.id)
    path.write_bytes(content.replace("%s", made.id).encode("utf-8", "surrogateescape"))
    built = build_site([results], tmp_path / "site")
    assert (built.trials, [item.path for item in built.unreadable]) == (1, [path])
    assert "not a note of `zoo verify`" in built.unreadable[0].reason
    assert "erified" not in pages(tmp_path / "site", "trials")


@pytest.mark.parametrize("kind", ["pipe", "link to nothing", "folder", "device"])
def test_a_note_that_is_no_regular_file_is_left_out_by_name(kind, record, save, results, tmp_path):
    made = record()
    save(made)
    path = write_note(results, made.id)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "note")
    else:
        path.symlink_to("/dev/zero")
    built = build_site([results], tmp_path / "site")
    assert (built.trials, [item.path for item in built.unreadable]) == (1, [path])


def test_words_say_where_only_if_it_is_known(record, save, results):
    note = Verified(record="r", verified_at="2026-01-01", machine="a", same=True)
    assert describe_note(note, "a") == "Verified: run again on the same machine, same scores."
    assert describe_note(note, "b") == "Verified: run again on another machine, same scores."
    assert describe_note(note, "") == "Verified: run again, same scores."
    assert describe_note(Verified(record="r", verified_at="2026-01-01", same=False), "a") == "A rerun differed."


def test_a_row_whose_reruns_were_on_different_machines_does_not_say_where(boards, record):
    (board,) = boards([record(seed=seed, environment_machine="a") for seed in range(3)], Path("/results") / FOLDER)
    trials = board.groups[0].trials
    note = {"verified_at": "2026-01-01", "same": True}
    notes = {
        (FOLDER, trials[0].id): Verified(record=trials[0].id, machine="a", **note),
        (FOLDER, trials[1].id): Verified(record=trials[1].id, machine="b", **note),
    }
    assert describe_notes(trials, notes) == ("verified, same scores: 2 of 3 trials", "")
    assert note_on(trials[2], notes) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.text(),
    lambda inner: st.dictionaries(st.sampled_from(["record", "verified_at", "machine", "same", "differs"]), inner),
)


@settings(max_examples=40)
@given(content=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_note_holds_it_is_read_or_named(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / FOLDER
    (folder / "verified").mkdir(parents=True)
    (folder / "verified" / "r.json").write_bytes(content)
    notes, unreadable = read_verified([folder])
    assert len(notes) + len(unreadable) == 1
