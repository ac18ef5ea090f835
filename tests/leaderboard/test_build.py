"""The command and the folder it writes: what is read, replaced, refused and left alone."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from zoo_leaderboard.cli.leaderboard import app
from zoo_leaderboard.plugin import zoo_commands
from zoo_leaderboard.site import pages
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.folder import MARKER
from zoo_leaderboard.text.names import file_name

from zoo_core.errors import UsageError
from zoo_core.results.records import encode


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def task_page(site: Path) -> str:
    (page,) = site.glob("tasks/*.html")
    return page.read_text(encoding="utf-8")


def test_build_is_a_command_below_leaderboard(record, save, results, tmp_path):
    save(record())
    assert ("", "leaderboard", "zoo_leaderboard.cli.leaderboard:app") in [
        (spec.below, spec.name, spec.entry) for spec in zoo_commands()
    ]
    ran = CliRunner().invoke(app, ["build", str(results), "--out", str(tmp_path / "site")])
    assert ran.exit_code == 0
    index = tmp_path / "site" / "index.html"
    assert ran.stdout.splitlines() == [
        f"{index}: 1 task from 1 record, 3 pages rendered",
        f"open it in a browser: {index.as_uri()}",
    ]
    assert index.is_file()


def test_a_record_that_cannot_be_read_is_named_and_left_out(record, save, results, tmp_path):
    store = save(record())
    broken = store.task_folder("zoo-a:digits") / "broken.json"
    broken.write_text("{")
    newer = store.task_folder("zoo-a:digits") / "newer.json"
    newer.write_text('{"schema": 99}')
    ran = CliRunner().invoke(app, ["build", str(results), "--out", str(tmp_path / "site")])
    assert ran.exit_code == 0
    assert f"left out {broken}: not a record" in ran.stderr
    assert f"left out {newer}: written in schema 99" in ran.stderr
    assert "1 task from 1 record" in ran.stdout
    assert broken.read_text() == "{"


def test_no_records_are_refused_with_the_command_that_makes_some(results, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / MARKER).touch()
    (site / "index.html").write_text("earlier")
    with pytest.raises(UsageError, match=r"there is no results folder .*`zoo bench"):
        build_site([results], site)
    results.mkdir()
    with pytest.raises(UsageError, match=r"there are no records in .*`zoo bench"):
        build_site([results], site)
    assert (site / "index.html").read_text() == "earlier"


def test_records_that_can_all_not_be_read_are_refused_and_named(results, tmp_path):
    (results / "task").mkdir(parents=True)
    (results / "task" / "a.json").write_text("{")
    with pytest.raises(UsageError, match=r"a\.json: not a record"):
        build_site([results], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_building_again_replaces_the_site(record, save, results, tmp_path):
    site = tmp_path / "site"
    save(record(task="zoo-a:first", task_title="First"))
    build_site([results], site)
    for path in results.rglob("*.json"):
        path.unlink()
    save(record(task="zoo-a:second", task_title="Second"))
    build_site([results], site)
    assert [path.name for path in site.glob("tasks/*.html")] == [f"{file_name('zoo-a:second')}.html"]
    index = (site / "index.html").read_text(encoding="utf-8")
    assert index.count("First") == 1
    assert "First: no records left." in index
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "site"]


def test_building_twice_gives_the_same_files(record, save, results, tmp_path):
    save(*(record(seed=seed, curve=[(1, 0.1, 0.2), (2, 0.3, 0.4)]) for seed in range(3)))
    build_site([results], tmp_path / "a")
    build_site([results], tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_what_somebody_put_at_the_top_of_the_site_stays(record, save, results, tmp_path):
    save(record())
    build_site([results], tmp_path / "site")
    (tmp_path / "site" / "CNAME").write_text("zoo.example")
    build_site([results], tmp_path / "site")
    assert (tmp_path / "site" / "CNAME").read_text() == "zoo.example"


def test_a_folder_with_other_files_is_refused_and_left_alone(record, save, results, tmp_path):
    save(record())
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.tex").write_text("words")
    with pytest.raises(UsageError, match="not an earlier site"):
        build_site([results], foreign)
    assert files(foreign) == {"chapter.tex": b"words"}


def test_a_file_is_refused_as_a_folder(record, save, results, tmp_path):
    save(record())
    (tmp_path / "site").write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        build_site([results], tmp_path / "site")


def test_an_empty_folder_and_a_deep_new_one_are_taken(record, save, results, tmp_path):
    save(record())
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "deep" / "er" / "site"):
        assert build_site([results], out).index.is_file()


def test_a_build_that_fails_leaves_the_earlier_site_and_no_rubbish(record, save, results, tmp_path, monkeypatch):
    save(record())
    site = tmp_path / "site"
    build_site([results], site)
    before = files(site)

    def broken(self, *_):
        raise RuntimeError("no page")

    monkeypatch.setattr(pages.Pages, "index", broken)
    with pytest.raises(RuntimeError, match="no page"):
        build_site([results], site)
    assert files(site) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "site"]


def test_a_place_that_cannot_be_written_is_a_usage_error(record, save, results, tmp_path):
    save(record())
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        build_site([results], tmp_path / "file" / "site")


def test_the_data_files_have_what_the_page_shows(record, save, results, tmp_path):
    save(
        *(record(seed=seed, score=0.5 + seed / 10, curve=[(1, None, 0.5)]) for seed in range(3)),
        record(model="zoo-a:bad", status="error", reason="=HYPERLINK(1)"),
    )
    build_site([results], tmp_path / "site")
    (json_path,) = (tmp_path / "site" / "data").glob("zoo-a*.json")
    (csv_path,) = (tmp_path / "site" / "data").glob("*.csv")
    (group,) = json.loads(json_path.read_text(encoding="utf-8"))["groups"]
    assert [row["model"] for row in group["models"]] == ["zoo-a:net", "zoo-a:bad"]
    assert group["models"][0]["score"] == pytest.approx(0.6)
    assert group["models"][1]["score"] is None
    assert [trial["reason"] for trial in group["trials"] if trial["status"] == "error"] == ["=HYPERLINK(1)"]
    assert group["curves"][0]["points"] == [{"step": 1, "mean": 0.5, "low": 0.5, "high": 0.5, "seeds": 3}]
    rows = list(csv.DictReader(csv_path.read_text(encoding="utf-8").splitlines()))
    assert [(row["model"], row["device"], row["seeds"]) for row in rows] == [
        ("zoo-a:net", "cpu", "3"),
        ("zoo-a:bad", "cpu", "0"),
    ]
    assert rows[1]["reason"] == "'=HYPERLINK(1)"


def with_picture(store, made, content, name="picture-0.png"):
    folder = store.artifacts(made)
    folder.mkdir(parents=True)
    if content is not None:
        (folder / name).write_bytes(content)


def test_pictures_of_the_best_model_are_copied_next_to_the_page(record, save, results, tmp_path, picture):
    best = record(score=0.9, measured_pictures={"first digits": "picture-0.png"})
    other = record(model="zoo-a:other", score=0.1, measured_pictures={"worse": "picture-0.png"})
    store = save(best, other)
    with_picture(store, best, picture)
    with_picture(store, other, picture)
    build_site([results], tmp_path / "site")
    (copied,) = (tmp_path / "site" / "tasks").rglob("*.png")
    assert copied.read_bytes() == picture
    page = task_page(tmp_path / "site")
    assert f"{copied.parent.name}/{copied.name}" in page
    assert "first digits" in page
    assert "worse" not in page


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../secret.png", "invalid file name"),
        ("/etc/hostname", "invalid file name"),
        ("..", "invalid file name"),
        ("a\\b.png", "invalid file name"),
        ("link.png", "file not found"),
        ("absent.png", "file not found"),
        ("text.png", "not a PNG"),
    ],
)
def test_a_picture_that_is_not_what_it_says_is_left_out_and_named(
    record, save, results, tmp_path, picture, name, reason
):
    made = record(measured_pictures={"trick": name})
    store = save(made)
    (tmp_path / "secret.png").write_bytes(picture)
    with_picture(store, made, b"<svg onload=alert(1)>", "text.png")
    (store.artifacts(made) / "link.png").symlink_to(tmp_path / "secret.png")
    build_site([results], tmp_path / "site")
    assert not list((tmp_path / "site").rglob("*.png"))
    assert reason in task_page(tmp_path / "site")


def test_building_imports_no_torch(record, save, results, tmp_path):
    save(record(curve=[(1, None, 0.5)]))
    program = (
        "import sys; from pathlib import Path; from zoo_leaderboard import plugin, cli;"
        "assert not {'pandas', 'scipy', 'jinja2'} & set(sys.modules), 'heavy imports at the command line';"
        "from zoo_leaderboard.site.build import build_site; build_site([Path(sys.argv[1])], Path(sys.argv[2]));"
        "print(sorted({'torch', 'torchvision'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(results), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[]"), ran.stderr


def test_a_plugins_level_of_conformance_is_next_to_its_name(record, save, results, tmp_path):
    save(record())
    note = {"level": "full", "version": "<1.0>", "counts": {}, "checked_at": "2026-01-01"}
    plugin = record().model.name.partition(":")[0]
    (results / "conformance.json").write_text(json.dumps({plugin: note}))
    build_site([results], tmp_path / "site")
    page = task_page(tmp_path / "site")
    assert "checks: full" in page
    assert f"{plugin} &lt;1.0&gt; passed all checks that apply" in page


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"zoo-a": {"version": "1"}}', '{"zoo-a": {"version": "1", "level": "best"}}']
)
def test_a_note_on_conformance_that_cannot_be_read_is_left_out_by_name(text, record, save, results, tmp_path):
    save(record())
    (results / "conformance.json").write_text(text)
    (left_out,) = build_site([results], tmp_path / "site").unreadable
    assert left_out.path == results / "conformance.json"
    assert "zoo check --record" in left_out.reason
    assert "conformance.json" in (tmp_path / "site" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("kept", ["group", "plain", "huge", "cut"])
def test_results_by_example_that_are_not_what_they_say_cost_only_themselves(record, save, results, tmp_path, kept):
    made = record(score=0.5, measured_per_example="per_example.npz")
    folder = save(made).artifacts(made)
    folder.mkdir(parents=True)
    path = folder / "per_example.npz"
    if kept == "plain":
        with path.open("wb") as file:
            np.save(file, np.zeros(4))
    elif kept == "huge":
        np.savez_compressed(path, score=np.tile(np.array([0, 1], dtype=np.uint8), 150_000))
    else:
        np.savez(path, score=np.array([0.0, 1.0]), group=np.zeros(3))
    if kept == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    build_site([results], tmp_path / "site")
    (data,) = (tmp_path / "site" / "data").glob("zoo-a*.json")
    assert json.loads(data.read_text())["groups"][0]["models"][0]["covers"] == ""


def test_a_linked_folder_of_artifacts_is_not_followed(record, save, results, tmp_path, picture):
    made = record(measured_pictures={"secret": "picture-0.png"})
    store = save(made)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "picture-0.png").write_bytes(picture)
    store.artifacts(made).symlink_to(tmp_path / "elsewhere")
    (results / "zoo-a--digits" / "nowhere.json").symlink_to(tmp_path / "absent")
    build_site([results], tmp_path / "site")
    assert not list((tmp_path / "site").rglob("*.png"))


def test_a_number_that_nothing_can_hold_makes_its_record_unreadable(record, save, results, tmp_path):
    save(record())
    odd = record(seed=7, minute=1)
    content = encode(odd).replace(b'"seed": 7', b'"seed": %d' % 10**30)
    (results / "zoo-a--digits" / f"{odd.id}.json").write_bytes(content)
    built = build_site([results], tmp_path / "site")
    assert (built.trials, len(built.unreadable)) == (1, 1)
