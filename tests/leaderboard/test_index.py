"""The index: what is read again and what is taken over, and that the cache never changes what a page says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import zoo_leaderboard
from zoo_leaderboard.records import index
from zoo_leaderboard.records.index import Candidate, select_candidates
from zoo_leaderboard.site import build as site_build
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.folder import MARKER

from zoo_core.errors import UsageError
from zoo_core.results.store import Store


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """The other tests' records must not be known here."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def reads(monkeypatch):
    """The files that are decoded, by name."""
    found = []
    true = index.summarise_trial

    def counting(record, path):
        found.append(Path(path).name)
        return true(record, path)

    monkeypatch.setattr(index, "summarise_trial", counting)
    return found


def files(folder: Path) -> dict[str, bytes]:
    kept = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_second_build_reads_no_record_and_makes_no_page(record, save, results, tmp_path, reads):
    save(*(record(seed=seed, curve=[(1, None, 0.5)]) for seed in range(3)))
    first = build_site([results], tmp_path / "site")
    before, read = files(tmp_path / "site"), len(reads)
    second = build_site([results], tmp_path / "site")
    assert (first.rendered, second.rendered) == (1 + 1 + 3, 0)  # a task, a model, three trials
    assert len(reads) == read
    assert files(tmp_path / "site") == before


def test_a_new_trial_is_read_alone_and_only_what_shows_it_is_made_again(record, save, results, tmp_path, reads):
    save(
        *(record(task=task, task_title=task, seed=seed, model=f"{task}-net") for task in "ab" for seed in range(3)),
    )
    build_site([results], tmp_path / "site")
    before = files(tmp_path / "site")
    reads.clear()
    new = record(task="a", task_title="a", seed=3, model="a-net", score=0.1, minute=9)
    save(new)
    assert build_site([results], tmp_path / "site").rendered == 3  # its task, its model, itself
    assert [name for name in reads if name.startswith(new.id)][:1] == [f"{new.id}.json"]
    other = {name for name in changed(before, files(tmp_path / "site")) if Path(name).name.startswith("b-")}
    assert other == set()


def test_the_site_is_the_same_with_and_without_the_cache(record, save, results, tmp_path, monkeypatch):
    save(*(record(model=model, seed=seed, score=0.5 + seed / 9) for model in ("p:a", "p:b") for seed in range(3)))
    build_site([results], tmp_path / "one")
    save(record(model="p:a", seed=3, score=0.9, minute=5))
    build_site([results], tmp_path / "one")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "empty"))
    build_site([results], tmp_path / "two")
    different = changed(files(tmp_path / "one"), files(tmp_path / "two"))
    assert different == {"index.html", "data/summary.json"}  # which tell what changed since


def test_a_change_anywhere_in_the_package_makes_all_pages_anew(monkeypatch):
    digested = []
    monkeypatch.setattr(site_build, "files_digest", lambda paths: digested.extend(paths) or "")
    site_build.page_code_digest()
    package = Path(zoo_leaderboard.__file__).parent
    folders = {path.relative_to(package).parts[0] for path in digested}
    assert {"stats", "text", "records", "board", "site"} <= folders
    assert {"style.css", "task.html"} <= {path.name for path in digested}


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 100, b"{}"])
def test_a_damaged_cache_is_read_anew(record, save, results, tmp_path, content):
    save(record())
    build_site([results], tmp_path / "site")
    before = files(tmp_path / "site")
    for path in Path(os.environ["ZOO_CACHE"]).rglob("*"):
        if path.is_file():
            path.write_bytes(content)
    build_site([results], tmp_path / "site")
    assert changed(before, files(tmp_path / "site")) <= {"index.html", "data/summary.json"}


def test_a_cache_of_other_code_is_read_anew(record, save, results, tmp_path, monkeypatch, reads):
    save(record())
    with monkeypatch.context() as other_code:
        other_code.setattr(index, "summary_code_digest", lambda: "other")
        build_site([results], tmp_path / "site")
    assert len(reads) == 1
    build_site([results], tmp_path / "site")
    assert len(reads) == 2
    build_site([results], tmp_path / "site")
    assert len(reads) == 2


def test_a_cache_that_cannot_be_written_costs_no_result(record, save, results, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file"))
    save(record())
    assert build_site([results], tmp_path / "site").trials == 1


def test_a_record_that_goes_takes_its_pages_with_it(record, save, results, tmp_path):
    save(record(), record(seed=1, minute=1))
    build_site([results], tmp_path / "site")
    (results / "zoo-a--digits" / f"{record().id}.json").unlink()
    build_site([results], tmp_path / "site")
    assert len(list((tmp_path / "site" / "trials").glob("*.html"))) == 1


def test_folders_are_merged_by_the_records_ids(record, save, results, tmp_path):
    save(record(score=0.4), record(seed=1, score=0.6, minute=1))
    other = tmp_path / "other"
    for made in (record(seed=1, score=0.6, minute=1), record(seed=2, score=0.8, minute=2)):
        Store(other).save(made)
    build_site([results, other], tmp_path / "site")
    (data,) = (tmp_path / "site" / "data").glob("zoo-a*.json")
    (row,) = json.loads(data.read_text())["groups"][0]["models"]
    assert (row["seeds"], row["score"]) == (3, pytest.approx(0.6))


def test_a_results_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no results folder .*absent"):
        build_site([tmp_path / "absent"], tmp_path / "site")


def test_pages_of_trials_go_to_the_newest_and_to_the_failed(record, save, results, tmp_path):
    old_failure = record(seed=99, status="error", reason="old", minute=0)
    save(old_failure, *(record(seed=seed, minute=seed + 1) for seed in range(6)))
    build_site([results], tmp_path / "site", trial_pages=4)
    pages = {path.name.rpartition("-machine-")[2][:4] for path in (tmp_path / "site" / "trials").glob("*.html")}
    assert pages == {"0000", "0006", "0005", "0004"}
    (page,) = (tmp_path / "site" / "tasks").glob("*.html")
    assert "zoo results show RECORD" in page.read_text("utf-8")
    build_site([results], tmp_path / "site", trial_pages=None)
    assert len(list((tmp_path / "site" / "trials").glob("*.html"))) == 7


def test_failed_trials_take_at_most_half_of_the_pages():
    offered = [Candidate(f"t{n:02d}", f"id{n}", n < 10, f"p{n}", "task", "") for n in range(20)]
    assert [item.id for item in select_candidates(offered, 4)] == ["id9", "id8", "id19", "id18"]
    assert len(select_candidates(offered, None)) == 20


@pytest.mark.parametrize("trick", ["../../secret", "/etc/passwd", "tasks/../../secret", "other/file"])
def test_a_changed_manifest_cannot_take_files_from_elsewhere(record, save, results, tmp_path, trick):
    save(record())
    (tmp_path / "secret").write_text("secret")
    build_site([results], tmp_path / "site")
    marker = tmp_path / "site" / MARKER
    manifest = json.loads(marker.read_text())
    for unit in manifest["units"].values():
        unit["files"].append(trick)
    marker.write_text(json.dumps(manifest))
    build_site([results], tmp_path / "site")
    assert not [content for content in files(tmp_path / "site").values() if content == b"secret"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "secret", "site"]


def test_the_index_lists_the_changes_since_the_previous_build(record, save, results, tmp_path):
    save(*(record(seed=seed, score=0.5 + seed / 100) for seed in range(3)))
    build_site([results], tmp_path / "site")
    assert "Changes since" not in (tmp_path / "site" / "index.html").read_text("utf-8")
    save(*(record(model="zoo-a:best", seed=seed, score=0.9 + seed / 100, minute=9) for seed in range(3)))
    build_site([results], tmp_path / "site")
    found = json.loads((tmp_path / "site" / "data" / "summary.json").read_text())["changes"]
    assert found == [
        "Digits: 3 trials (0 failed) → 6 trials (0 failed).",
        "Digits: new model zoo-a:best.",
        "Digits on CPU (Digits): zoo-a:best now leads.",
    ]
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert 0 < page.index("zoo-a:best now leads") < page.index("Leading models by task")
