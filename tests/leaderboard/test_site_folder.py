"""The site's folder: what is replaced and what stays, two builds at once, killed builds, and odd places."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner
from zoo_leaderboard.cli.leaderboard import app
from zoo_leaderboard.site import folder as site_folder
from zoo_leaderboard.site import lock, pages, stamps
from zoo_leaderboard.site.build import build_site
from zoo_leaderboard.site.folder import KEPT, NEW, NEXT
from zoo_leaderboard.site.lock import locked
from zoo_leaderboard.site.manifest import MARKER, is_inside, read_manifest
from zoo_leaderboard.site.processes import workers_for
from zoo_leaderboard.site.stamps import load_stamps

from zoo_core.errors import UsageError
from zoo_core.files import cache_dir
from zoo_core.results.store import Store

MAX_WAIT_S = 60.0


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def own_files(folder: Path) -> dict[str, bytes]:
    """The files of a site without the manifest, which has the digests of the others."""
    return {name: content for name, content in files(folder).items() if name != MARKER}


@pytest.fixture
def site(record, save, results, tmp_path) -> Path:
    """A site of two tasks."""
    save(record(task="zoo-a:one"), record(task="zoo-a:two"))
    build_site([results], tmp_path / "site")
    return tmp_path / "site"


# --- a person's files ------------------------------------------------------------------------------------------------

OWN_FILES = (
    "CNAME",
    ".git/HEAD",
    "notes/thesis.txt",
    "tasks/mine.md",
    "static/logo.png",
    "trials/mine/a.txt",
    "data/x.csv",
)


def test_files_that_no_build_wrote_stay_wherever_they_are(site, results, record, save):
    for name in OWN_FILES:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"mine: {name}")
    inodes = {name: (site / name).stat().st_ino for name in OWN_FILES}
    for path in results.glob("zoo-a--one/*.json"):
        path.unlink()
    save(record(task="zoo-a:three"))
    build_site([results], site)
    assert {name: (site / name).read_text() for name in OWN_FILES} == {name: f"mine: {name}" for name in OWN_FILES}
    assert {name: (site / name).stat().st_ino for name in OWN_FILES} == inodes
    assert [path.stem[:-9] for path in sorted(site.glob("tasks/*.html"))] == ["zoo-a--three", "zoo-a--two"]


def test_an_edited_page_is_renamed_and_the_page_shows_the_records_again(site, results):
    true = (site / "index.html").read_bytes()
    (site / "index.html").write_text("my own words")
    ran = CliRunner().invoke(app, ["build", str(results), "--out", str(site)])
    assert ran.exit_code == 0
    assert f"kept your {site / 'index.html'} as index.html{KEPT}: its place is that of a page" in ran.stderr
    assert (site / f"index.html{KEPT}").read_text() == "my own words"
    assert (site / "index.html").read_bytes() == true
    (site / "index.html").write_text("other words")
    build_site([results], site)
    assert (site / f"index.html{KEPT}").read_text() == "my own words"
    assert (site / f"index.html{KEPT}-2").read_text() == "other words"


def test_an_edited_page_whose_records_are_gone_stays(site, results):
    (page,) = site.glob("tasks/zoo-a--one-*.html")
    page.write_text("my own words")
    shutil.rmtree(results / "zoo-a--one")
    build_site([results], site)
    assert page.read_text() == "my own words"
    assert not list(site.glob("models/*.kept"))


@pytest.mark.parametrize("kind", ["file", "link to a file", "folder"])
def test_what_lies_in_the_place_of_a_new_page_is_renamed(kind, record, save, results, tmp_path):
    out = tmp_path / "site"
    save(record(task="zoo-a:one"))
    build_site([results], out)
    save(record(task="zoo-a:two"))
    build_site([results], tmp_path / "other")
    (name,) = [path.name for path in (tmp_path / "other").glob("tasks/zoo-a--two-*.html")]
    (tmp_path / "precious").write_text("precious")
    if kind == "file":
        (out / "tasks" / name).write_text("precious")
    elif kind == "folder":
        (out / "tasks" / name).mkdir()
        (out / "tasks" / name / "inside").write_text("precious")
    else:
        (out / "tasks" / name).symlink_to(tmp_path / "precious")
    (kept,) = build_site([results], out).kept
    assert kept == (out / "tasks" / name, out / "tasks" / f"{name}{KEPT}")
    assert (kept[1] / "inside" if kind == "folder" else kept[1]).read_text() == "precious"
    assert (tmp_path / "precious").read_text() == "precious"
    assert "<h1>" in (out / "tasks" / name).read_text("utf-8")


@pytest.mark.parametrize("name", ["tasks", "trials"])
def test_a_link_in_the_place_of_a_folder_is_renamed_and_nothing_behind_it_changes(name, site, results, record, save):
    elsewhere = site.parent / "elsewhere"
    (site / name).rename(elsewhere)
    (site / name).symlink_to(elsewhere)
    before = files(elsewhere)
    save(record(task="zoo-a:three"))
    shutil.rmtree(results / "zoo-a--one")
    build_site([results], site)
    assert files(elsewhere) == before
    assert not (site / name).is_symlink()
    assert (site / f"{name}{KEPT}").is_symlink()
    assert list((site / name).glob("*.html"))


@pytest.mark.parametrize("damage", ["emptied", "cut", "zeroed", "zeroed by a power failure"])
def test_a_page_that_lost_its_content_without_a_later_change_is_written_again(damage, site, results, monkeypatch):
    """As after a power failure, or in a copy on a full disk: nothing of the file is newer than the manifest."""
    pages_before = own_files(site)
    (page,) = site.glob("tasks/zoo-a--one-*.html")
    whole, state = page.read_bytes(), page.stat()
    page.write_bytes({"emptied": b"", "cut": whole[:4096]}.get(damage, bytes(len(whole))))
    if damage != "zeroed":
        os.utime(page, ns=(state.st_atime_ns, state.st_mtime_ns))
    if damage == "zeroed by a power failure":
        monkeypatch.setattr(stamps, "system_start", lambda: "the next start")
    time.sleep(0.02)  # more than the clock of a file system may stand still
    (site / MARKER).touch()
    build_site([results], site)
    assert page.read_bytes() == whole
    kept = page.with_name(f"{page.name}{KEPT}").relative_to(site).as_posix()
    assert own_files(site).keys() - pages_before.keys() == {kept}


def test_an_untouched_site_is_not_read_again(site, results, monkeypatch):
    time.sleep(0.02)
    (site / MARKER).touch()  # it is newer than all pages, also on a file system whose clock is coarse
    read = []
    true = site_folder.file_digest
    monkeypatch.setattr(site_folder, "file_digest", lambda path: read.append(path) or true(path))
    build_site([results], site)
    assert read == []


def test_without_the_stamps_of_the_last_build_nothing_is_made_again(site, results):
    before = own_files(site)
    for path in (cache_dir() / "leaderboard").glob("*.stamps"):
        path.unlink()
    assert build_site([results], site).rendered == 0
    assert own_files(site) == before
    assert load_stamps(site.resolve()).keys() == before.keys()


def test_the_manifest_of_an_earlier_version_is_read(site, results, record, save):
    manifest = json.loads((site / MARKER).read_text())
    del manifest["digests"]
    (site / MARKER).write_text(json.dumps(manifest))
    shutil.rmtree(results / "zoo-a--one")
    built = build_site([results], site)
    assert built.kept == []
    assert len(list(site.glob("tasks/*.html"))) == 1
    assert set(read_manifest(site / MARKER).digests) == set(own_files(site))


def test_a_damaged_manifest_is_refused_and_nothing_is_touched(site, results):
    (site / MARKER).write_text("{")
    before = files(site)
    with pytest.raises(UsageError, match="is damaged, so the zoo cannot tell its own files"):
        build_site([results], site)
    assert files(site) == before


def test_a_manifest_that_lists_a_persons_file_with_another_digest_removes_nothing(site, results):
    (site / "tasks" / "mine.md").write_text("mine")
    manifest = json.loads((site / MARKER).read_text())
    manifest["units"]["trick"] = {"digest": "", "files": ["tasks/mine.md", "tasks/../CNAME", "CNAME", "/etc/passwd"]}
    manifest["digests"]["tasks/mine.md"] = "0" * 32
    (site / MARKER).write_text(json.dumps(manifest))
    (site / "CNAME").write_text("zoo.example")
    build_site([results], site)
    assert (site / "tasks" / "mine.md").read_text() == "mine"
    assert (site / "CNAME").read_text() == "zoo.example"


@pytest.mark.parametrize(
    "name", ["", ".", "CNAME", "tasks", "/tasks/x", "tasks/../x", "tasks//x", "./tasks/x", "a/b", "tasks/\0"]
)
def test_a_name_outside_the_site_is_none_of_the_manifest(name):
    assert not is_inside(name)


def test_one_new_trial_writes_few_files(site, results, record, save):
    before = {path: path.stat().st_ino for path in site.rglob("*") if path.is_file()}
    save(record(task="zoo-a:two", seed=5, minute=5))
    build_site([results], site)
    written = {path.relative_to(site).as_posix() for path, inode in before.items() if path.stat().st_ino != inode}
    assert not [name for name in written if "zoo-a--one" in name or name.startswith(("static", "trials"))]
    assert {"index.html", MARKER} <= written


# --- two builds at once ----------------------------------------------------------------------------------------------


def test_the_second_build_waits_for_the_first(site, results, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    true = pages.Pages.index

    def slow(self, *values):
        begun.set()
        assert go.wait(MAX_WAIT_S)
        return true(self, *values)

    monkeypatch.setattr(pages.Pages, "index", slow)
    first = threading.Thread(target=build_site, args=([results], site))
    first.start()
    assert begun.wait(MAX_WAIT_S)
    told: list[str] = []

    def tell(work, *_):
        told.append(work)
        go.set()

    build_site([results], site, progress=tell)
    first.join()
    assert told[0] == "waiting for another build of this site"
    assert told.count(told[0]) == 1


def test_a_build_that_waits_too_long_says_so(tmp_path):
    with (
        locked(tmp_path, lambda: None),
        pytest.raises(UsageError, match="another build has been writing"),
        locked(tmp_path, lambda: None, max_wait_s=0),
    ):
        raise AssertionError("both hold the lock")


def test_where_a_folder_cannot_be_locked_a_file_is(tmp_path, monkeypatch):
    true = lock._flock

    def refuse_folders(path, flags):
        if path.is_dir():
            raise OSError(errno.EBADF, "a folder on NFS")
        return true(path, flags)

    monkeypatch.setattr(lock, "_flock", refuse_folders)
    with (
        locked(tmp_path, lambda: None),
        pytest.raises(UsageError, match="another build"),
        locked(tmp_path, lambda: None, max_wait_s=0),
    ):
        raise AssertionError("both hold the lock")
    with locked(tmp_path, lambda: None, max_wait_s=0):
        pass


def test_many_builds_at_once_leave_one_whole_site(record, save, results, tmp_path):
    save(*(record(seed=seed) for seed in range(3)))
    build_site([results], tmp_path / "alone")
    program = (
        "import os, sys; from pathlib import Path; from zoo_leaderboard.site.build import build_site\n"
        "results, site = map(Path, sys.argv[1:])\n"
        "children = []\n"
        "for _ in range(4):\n"
        "    children.append(os.fork())\n"
        "    if not children[-1]:\n"
        "        build_site([results], site)\n"
        "        os._exit(0)\n"
        "print([os.waitpid(child, 0)[1] for child in children])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, results, tmp_path / "site"], capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == "[0, 0, 0, 0]", ended.stderr
    assert own_files(tmp_path / "site") == own_files(tmp_path / "alone")


# --- killed builds ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nothing handles it, and the tests make the clean-up that would run after it do nothing."""


def build_killed_at(step: int, results: Path, site: Path, monkeypatch) -> bool:
    """Build, and stop for good at this change of the file system. Returns whether the build got that far."""
    left = [step]

    def counting(true):
        def change(*values, **more):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return true(*values, **more)

        return change

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            patch.setattr(site_folder.Path, name, counting(getattr(Path, name)))
        patch.setattr(site_folder.Path, "write_bytes", counting(Path.write_bytes))
        patch.setattr(site_folder.shutil, "rmtree", counting(shutil_rmtree))
        try:
            build_site([results], site)
        except Killed:
            return True
    return False


shutil_rmtree = shutil.rmtree


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_build_killed_at_any_change_leaves_whole_pages_and_the_next_completes_it(
    stride, site, results, record, save, tmp_path, monkeypatch
):
    for name in OWN_FILES:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("mine")
    (site / "compare.html").write_text("edited")
    shutil_rmtree(results / "zoo-a--one")
    save(record(task="zoo-a:three"), record(task="zoo-a:two", seed=1))
    before = files(site)
    shutil.copytree(site, tmp_path / "copy")
    build_site([results], tmp_path / "copy")
    after = own_files(tmp_path / "copy")
    step = 0
    while True:
        shutil_rmtree(site)
        _restore(before, site)
        if not build_killed_at(step, results, site, monkeypatch):
            break
        found = {name: content for name, content in files(site).items() if not name.startswith(".zoo-leaderboard")}
        wrong = [name for name in _without_changes(found) if found[name] not in (before.get(name), after.get(name))]
        assert wrong == [], step
        assert [name for name in OWN_FILES if found.get(name) != b"mine"] == [], step
        assert b"edited" in (found.get("compare.html"), found.get(f"compare.html{KEPT}")), step
        assert "index.html" in found, step
        build_site([results], site)
        assert _without_changes(own_files(site)) == _without_changes(after), step
        step += stride
    assert step > 40


def _without_changes(content: dict[str, bytes]) -> dict[str, bytes]:
    """Without the files that name the changes since the build before."""
    return {name: data for name, data in content.items() if name not in ("index.html", "data/summary.json")}


def _restore(content: dict[str, bytes], folder: Path) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


KILLS = """
import os, random, sys, time
from pathlib import Path
from zoo_leaderboard.site.build import build_site

results, site, waiting = map(Path, sys.argv[1:4])
started, _ = time.monotonic(), build_site([results], site)
longest, killed = 1.2 * (time.monotonic() - started), 0
random.seed(0)
for path in sorted(waiting.glob("*/*.json")):
    path.rename(results / path.parent.name / path.name)
    child = os.fork()
    if not child:
        build_site([results], site)
        os._exit(0)
    time.sleep(random.uniform(0, longest))
    os.kill(child, 9)
    killed += os.waitpid(child, 0)[1] == 9
    assert all((site / name).read_text() == "mine" for name in sys.argv[4:])
    assert (site / "index.html").read_text("utf-8").endswith("</html>")
print(killed)
"""


@pytest.mark.parametrize("rounds", [12, pytest.param(200, marks=pytest.mark.nightly)])
def test_builds_under_kill_9_never_lose_a_file(rounds, record, save, results, tmp_path):
    site, waiting = tmp_path / "site", Store(tmp_path / "waiting")
    save(*(record(seed=seed, task=f"zoo-a:t{seed % 3}", minute=seed) for seed in range(6)))
    for number in range(rounds):
        waiting.save(record(seed=100 + number, task=f"zoo-a:t{number % 3}", minute=100 + number))
    build_site([results], site)
    for name in OWN_FILES:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("mine")
    words = [sys.executable, "-c", KILLS, results, site, waiting.folder, *OWN_FILES]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > rounds // 3
    build_site([results], site)
    build_site([results], tmp_path / "fresh")
    found = {name: content for name, content in own_files(site).items() if name not in OWN_FILES}
    assert _without_changes(found) == _without_changes(own_files(tmp_path / "fresh"))
    assert not [path for path in site.iterdir() if path.name.startswith(".zoo-leaderboard.")]


def test_folders_of_killed_builds_go_at_the_next_build_and_at_one_that_fails(site, results):
    (site / f"{NEW}dead" / "tasks").mkdir(parents=True)
    (site / f"{NEW}dead" / "tasks" / "half.html").write_text("half")
    (site / NEXT).mkdir()
    with pytest.raises(UsageError, match="no results folder"):
        build_site([results / "absent"], site)
    assert not [path for path in site.iterdir() if path.name.startswith(".zoo-leaderboard.")]


def test_a_first_build_that_was_killed_is_no_obstacle(record, save, results, tmp_path, monkeypatch):
    save(record())
    for step in (0, 3, 9, 15):
        out = tmp_path / f"site{step}"
        assert build_killed_at(step, results, out, monkeypatch)
        assert build_site([results], out).index.is_file()


def test_a_planted_folder_of_a_complete_site_moves_nothing_from_elsewhere(site, results, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "tasks").mkdir(parents=True)
    (elsewhere / "tasks" / "secret.html").write_text("secret")
    (elsewhere / MARKER).write_text(
        json.dumps({"made_by": "", "units": {"x": {"digest": "", "files": ["tasks/secret.html"]}}, "digests": {}})
    )
    (site / NEXT).symlink_to(elsewhere)
    build_site([results], site)
    assert (elsewhere / "tasks" / "secret.html").read_text() == "secret"
    assert not (site / "tasks" / "secret.html").exists()
    assert not (site / NEXT).is_symlink()


def test_workers_of_a_killed_build_end_with_it(tmp_path):
    program = (
        "import os, sys, time; from zoo_leaderboard.site import processes\n"
        "if __name__ == '__main__':\n"
        "    os.cpu_count = lambda: 2\n"
        "    with processes.workers_for(10**6) as workers:\n"
        "        print(*{workers.submit(os.getpid).result() for _ in range(20)}, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    (tmp_path / "program.py").write_text(program)
    ended = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    end = time.monotonic() + MAX_WAIT_S
    while [pid for pid in ended.stdout.split() if _is_running(int(pid))]:
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_that_is_killed_ends_the_build_with_one_line(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(UsageError, match="was killed"), workers_for(10**6) as workers:
        workers.submit(os._exit, 9).result()


# --- odd places ------------------------------------------------------------------------------------------------------


def test_a_site_is_built_from_inside_its_folder(site, results, record, save, monkeypatch):
    save(record(task="zoo-a:three"))
    for inside, out in ((site, "."), (site / "tasks", ".."), (site / "tasks", str(site))):
        monkeypatch.chdir(inside)
        ran = CliRunner().invoke(app, ["build", str(results), "--out", out])
        assert ran.exit_code == 0, ran.stderr
        assert Path.cwd().samefile(inside)
    assert len(list(site.glob("tasks/*.html"))) == 3


def test_a_link_to_the_site_stays_a_link(record, save, results, tmp_path):
    save(record())
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "nowhere").symlink_to(tmp_path / "made")
    for out in ("link", "nowhere"):
        build_site([results], tmp_path / out)
        assert (tmp_path / out).is_symlink()
        assert (tmp_path / out / "index.html").is_file()


def test_a_link_in_a_circle_is_refused_in_one_line(record, save, results, tmp_path):
    save(record())
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match=r"site cannot be written|link to itself|cannot be read"):
        build_site([results], tmp_path / "a")


def test_records_inside_the_site_are_read_and_stay(site, results, record, save):
    results.rename(site / "results")
    assert build_site([site / "results"], site).trials == 2
    assert len(list((site / "results").rglob("*.json"))) == 2


def test_an_empty_disk_or_a_branch_for_pages_is_taken(record, save, results, tmp_path):
    save(record())
    for name in ("lost+found/", ".git/", "CNAME"):
        path = tmp_path / f"out-{name.strip('/+.')}" / name
        path.mkdir(parents=True) if name.endswith("/") else (path.parent.mkdir(parents=True), path.touch())
        build_site([results], path.parent)
        assert path.exists()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("changes", [0, 6])
def test_a_disk_that_cannot_be_written_is_one_line_and_the_site_is_as_it_was(
    error, changes, site, results, record, save, monkeypatch
):
    save(record(task="zoo-a:three"))
    before, left = files(site), [changes]
    true = Path.write_bytes

    def fail(self, content):
        if ".zoo-leaderboard" in str(self):
            if left[0] == 0:
                raise OSError(error, os.strerror(error), str(self))
            left[0] -= 1
        return true(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(UsageError, match="the site cannot be written to"):
            build_site([results], site)
    assert files(site) == before


def test_a_disk_that_fails_while_files_are_put_into_place_is_one_line_and_the_next_build_completes(
    site, results, record, save, monkeypatch
):
    save(record(task="zoo-a:three"))

    def fail(source, target):
        raise OSError(errno.EIO, "Input/output error", str(target))

    with monkeypatch.context() as patch:
        patch.setattr(site_folder, "_move", fail)
        with pytest.raises(UsageError, match="the site cannot be written to"):
            build_site([results], site)
    with pytest.raises(UsageError, match="no results folder"):
        build_site([results / "absent"], site)  # completes the site before, all the same
    assert len(list(site.glob("tasks/*.html"))) == 3


def test_a_folder_of_the_site_on_another_disk_works(site, results, record, save, monkeypatch):
    save(record(task="zoo-a:three"))
    true = Path.replace

    def across(self, target):
        if NEXT in str(self) and "data" in Path(target).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return true(self, target)

    monkeypatch.setattr(Path, "replace", across)
    build_site([results], site)
    assert len(list(site.glob("data/zoo-a--*.json"))) == 3
    assert not list(site.rglob(f"{NEW}*"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"), reason="needs root")
def test_a_mount_point_works_and_a_full_one_says_so(record, save, results, tmp_path):
    save(*(record(seed=seed, task=f"zoo-a:t{seed}") for seed in range(3)))
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "zoo", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("no right to mount")
    try:
        build_site([results], disk)
        before = own_files(disk)
        (disk / "fill").write_bytes(b"\0" * (shutil.disk_usage(disk).free - 8192))
        save(*(record(seed=seed, task=f"zoo-a:more{seed}") for seed in range(3)))
        with pytest.raises(UsageError, match="No space left"):
            build_site([results], disk)
        assert {name: content for name, content in own_files(disk).items() if name != "fill"} == before
        (disk / "fill").unlink()
        assert build_site([results], disk).tasks == 6
    finally:
        subprocess.run(["umount", disk], check=True)
