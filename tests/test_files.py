"""The files of a data set: finding, verifying and fingerprinting them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zoo_core.data import archives
from zoo_core.data.locate import dataset_root, download_folder, fingerprint, list_root, state
from zoo_core.data.open import data_context
from zoo_core.errors import DamagedDataError, DataError, DataUnavailableError, UnsafeArchiveError
from zoo_core.protocols import Context
from zoo_core.specs import DatasetSpec, Download, Signature

FILES = {"train/a.bin": b"first", "train/b.bin": b"second", "test/a.bin": b"third", "labels.csv": b"x,y\n"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def dataset(**changes: Any) -> DatasetSpec:
    fields = {
        "name": "d",
        "title": "D",
        "origin": "real",
        "licence": "",
        "signature": Signature(input_shape=(1,)),
        "entry": "m:n",
        "layout": "train/ and test/",
        "homepage": "https://example.org/d",
        "plugin": "zoo-x",
    }
    return DatasetSpec(**(fields | changes))


def published(files: Mapping[str, bytes], *urls: str, **changes: Any) -> DatasetSpec:
    """A data set whose downloads are these files, below each of the urls."""
    downloads = tuple(
        Download(name=name, urls=tuple(f"{url}/{name}" for url in urls), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    )
    return dataset(downloads=downloads, **changes)


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def as_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    source = write(path.with_name(f"{path.name}-source"), files)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for child in sorted(source.iterdir()):
            archive.add(child, child.name)
    return path


def inside(outer: str, files: Mapping[str, bytes] = FILES) -> dict[str, bytes]:
    return {f"{outer}/{name}": content for name, content in files.items()}


def context(spec: DatasetSpec, root: Path | None = None, *, offline: bool = False) -> Context:
    return data_context(spec, Context(data_root=root, offline=offline))


# fingerprints of the user's files


def test_folder_zip_and_tar_have_one_fingerprint_with_and_without_an_outer_folder(tmp_path: Path):
    roots = [
        write(tmp_path / "plain", FILES),
        write(tmp_path / "other", inside("outer")),
        write(tmp_path / "twice", inside("outer/most")),
        as_zip(tmp_path / "plain.zip", FILES),
        as_zip(tmp_path / "outer.zip", inside("elsewhere")),
        as_tar(tmp_path / "plain.tar", FILES, "w"),
        as_tar(tmp_path / "outer.tar.gz", inside("outer")),
    ]
    assert len({fingerprint(dataset(), root) for root in roots}) == 1


def test_a_tar_of_a_folder_as_tar_itself_makes_it_has_the_folders_fingerprint(tmp_path: Path):
    """`tar -cf x.tar .` writes a member `.` first, and `./` before every name."""
    folder = write(tmp_path / "plain", FILES)
    with tarfile.open(tmp_path / "dot.tar", "w") as archive:
        archive.add(folder, arcname=".")
    assert fingerprint(dataset(), tmp_path / "dot.tar") == fingerprint(dataset(), folder)


def test_a_fingerprint_is_32_hexadecimal_digits(tmp_path: Path):
    found = fingerprint(dataset(), write(tmp_path / "plain", FILES))
    assert len(found) == 32
    assert int(found, 16) >= 0


def test_the_fingerprint_is_the_hash_of_the_sorted_names_and_hashes(tmp_path: Path):
    lines = "\n".join(f"{name}\0{hashlib.sha256(content).hexdigest()}" for name, content in sorted(FILES.items()))
    assert fingerprint(dataset(), write(tmp_path / "plain", FILES)) == hashlib.sha256(lines.encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    "changed",
    [
        {**FILES, "labels.csv": b"x,z\n"},
        {**FILES, "more.txt": b""},
        {name: content for name, content in FILES.items() if name != "labels.csv"},
        {name.replace("labels", "label"): content for name, content in FILES.items()},
        {**FILES, "train/a.bin": b"second", "train/b.bin": b"first"},
    ],
    ids=["a byte", "a file more", "a file less", "a name", "two files swapped"],
)
def test_another_byte_or_name_makes_another_fingerprint(changed: dict[str, bytes], tmp_path: Path):
    before = fingerprint(dataset(), write(tmp_path / "before", FILES))
    assert fingerprint(dataset(), write(tmp_path / "after", changed)) != before
    assert fingerprint(dataset(), as_zip(tmp_path / "after.zip", changed)) != before


def test_a_file_changed_in_place_makes_another_fingerprint(tmp_path: Path):
    root = write(tmp_path / "plain", FILES)
    before = fingerprint(dataset(), root)
    (root / "labels.csv").write_bytes(b"a longer content")
    assert fingerprint(dataset(), root) != before
    (root / "labels.csv").write_bytes(FILES["labels.csv"])
    assert fingerprint(dataset(), root) == before


def test_a_file_of_the_same_size_but_another_time_is_read_again(tmp_path: Path):
    root = write(tmp_path / "plain", FILES)
    before = fingerprint(dataset(), root)
    (root / "labels.csv").write_bytes(b"y,x\n")
    os.utime(root / "labels.csv", ns=(10**18, 10**18))
    assert fingerprint(dataset(), root) != before


@pytest.fixture
def old_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written in the test count as old, so that their checksums are kept."""
    now = time.time_ns() + 3_600_000_000_000
    monkeypatch.setattr("zoo_core.data.locate.time.time_ns", lambda: now)


@pytest.mark.usefixtures("old_files")
def test_a_second_fingerprint_opens_no_file_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write(tmp_path / "plain", FILES)
    before = fingerprint(dataset(), root)
    opened: list[Path] = []
    real_open = os.open

    def watched(path: Any, *words: Any, **more: Any) -> Any:
        opened.append(Path(path))
        return real_open(path, *words, **more)

    monkeypatch.setattr(os, "open", watched)
    assert fingerprint(dataset(), root) == before
    assert [path for path in opened if path.is_relative_to(root)] == []


@pytest.mark.usefixtures("old_files")
def test_a_second_fingerprint_of_an_archive_does_not_read_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = as_zip(tmp_path / "plain.zip", FILES)
    before = fingerprint(dataset(), root)
    read: list[Path] = []
    real_members = archives.members
    monkeypatch.setattr(archives, "members", lambda archive, _: [read.append(archive), real_members(archive)][1])
    assert fingerprint(dataset(), root) == before
    assert read == []


@pytest.mark.usefixtures("old_files")
def test_what_older_code_cached_of_an_archive_is_read_again(tmp_path: Path, cache: Path):
    root = as_zip(tmp_path / "plain.zip", FILES)
    known, now = fingerprint(dataset(), root), root.stat()
    folder = context(dataset(), root).folder()
    old = {str(root): [now.st_size, now.st_mtime_ns, {"misread.txt": "0" * 64}]}
    (cache / "archives.json").write_text(json.dumps(old))
    name = hashlib.sha256(f"{root}\0{now.st_size}\0{now.st_mtime_ns}".encode()).hexdigest()[:16]
    folder.rename(folder.parent.with_name(f"plain-{name}"))
    (folder.parent.with_name(f"plain-{name}") / "misread.txt").touch()
    assert fingerprint(dataset(), root) == known
    assert context(dataset(), root).folder() == folder
    assert not (folder / "misread.txt").exists()


@pytest.mark.usefixtures("old_files")
@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"3", b'{"a": 3}'])
def test_a_damaged_memory_of_checksums_is_only_forgotten(content: bytes, cache: Path, tmp_path: Path):
    root = write(tmp_path / "plain", FILES)
    before = fingerprint(dataset(), root)
    (cache / "stamps.json").write_bytes(content)
    assert fingerprint(dataset(), root) == before


# fingerprints of published and generated data


def test_published_data_have_one_fingerprint_without_a_root_and_in_a_folder_or_archive(tmp_path: Path):
    spec = published(FILES)
    known = fingerprint(spec, None)
    assert fingerprint(spec, write(tmp_path / "plain", FILES)) == known
    assert fingerprint(spec, write(tmp_path / "deep", inside("some/where"))) == known
    assert fingerprint(spec, as_zip(tmp_path / "all.zip", FILES)) == known
    assert fingerprint(spec, write(tmp_path / "more", {**FILES, "README": b"kept beside"})) == known


def test_beside_the_published_archive_other_files_are_not_the_data(tmp_path: Path):
    """The archive gives the fingerprint, so the loader must read what is in it."""
    archive = as_zip(tmp_path / "all.zip", FILES).read_bytes()
    spec = published({"all.zip": archive})
    root = write(tmp_path / "root", {"deep/all.zip": archive, "labels.csv": b"changed"})
    assert fingerprint(spec, root) == fingerprint(spec, None)
    folder = context(spec, root).folder("all.zip")
    assert (folder / "labels.csv").read_bytes() == FILES["labels.csv"]
    (root / "deep/all.zip").write_bytes(archive + b" ")  # no longer the published one: all files count
    assert fingerprint(spec, root) != fingerprint(spec, None)
    assert context(spec, root).folder("all.zip") == root


def test_files_that_are_not_the_published_ones_have_a_fingerprint_of_their_own(tmp_path: Path):
    spec = published(FILES)
    assert fingerprint(spec, write(tmp_path / "other", {**FILES, "labels.csv": b"changed"})) != fingerprint(spec, None)


def test_the_version_belongs_to_the_fingerprint_of_published_and_of_generated_data():
    assert fingerprint(published(FILES, version=1), None) != fingerprint(published(FILES, version=2), None)
    assert fingerprint(dataset(origin="exact"), None) != fingerprint(dataset(origin="exact", version=2), None)


def test_the_checksums_belong_to_the_fingerprint_of_published_data():
    assert fingerprint(published({"a": b"1"}), None) != fingerprint(published({"a": b"2"}), None)


@pytest.mark.parametrize("origin", ["exact", "synthetic", "bundled"])
def test_generated_data_need_no_root(origin: str):
    assert len(fingerprint(dataset(origin=origin, downloads=()), None)) == 32


def test_generated_data_of_two_names_have_two_fingerprints():
    assert fingerprint(dataset(origin="exact"), None) != fingerprint(dataset(origin="exact", name="e"), None)


# roots that cannot be used


def test_data_without_downloads_and_root_say_what_to_bring():
    with pytest.raises(DataUnavailableError) as caught:
        fingerprint(dataset(), None)
    for words in ("zoo-x:d", "--data-root", "train/ and test/", "https://example.org/d"):
        assert words in str(caught.value)


def test_the_error_for_an_empty_root_names_its_path(tmp_path: Path):
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(DataUnavailableError, match=r"empty is empty; give --data-root"):
        fingerprint(dataset(), tmp_path / "empty")


def test_the_error_for_an_empty_archive_names_its_path(tmp_path: Path):
    with pytest.raises(DataUnavailableError, match=r"empty\.zip is empty"):
        fingerprint(dataset(), as_zip(tmp_path / "empty.zip", {}))


def test_the_error_for_a_missing_root_names_its_path(tmp_path: Path):
    with pytest.raises(DataUnavailableError, match=r"data root .*absent is not there; give --data-root"):
        dataset_root(dataset(), tmp_path / "absent")


def test_the_error_for_a_plain_file_as_root_names_its_path(tmp_path: Path):
    (tmp_path / "plain.bin").write_text("words")
    with pytest.raises(DataUnavailableError, match=r"plain\.bin is neither a folder nor a zip or tar archive"):
        fingerprint(dataset(), tmp_path / "plain.bin")


def test_a_loader_that_needs_a_folder_names_the_text_file_that_it_got(tmp_path: Path):
    (tmp_path / "plain.txt").write_text("words")
    ctx = data_context(dataset(), Context(data_root=tmp_path / "plain.txt"))
    for ask in (ctx.folder, lambda: ctx.file("a.txt")):
        with pytest.raises(DataUnavailableError, match=r"plain\.txt is neither a folder nor a zip or tar archive"):
            ask()


def test_a_text_as_root_is_identified_like_a_folder_with_this_file_alone(tmp_path: Path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plain.txt").write_text("words")
    assert fingerprint(dataset(), tmp_path / "one/plain.txt") == fingerprint(dataset(), tmp_path / "other")
    assert list_root(tmp_path / "one/plain.txt").files == ["plain.txt"]


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_a_cut_archive_as_root_is_a_data_error_with_its_path(ending: str, tmp_path: Path):
    whole = (as_zip if ending == "zip" else as_tar)(tmp_path / f"whole.{ending}", inside("outer")).read_bytes()
    root = tmp_path / f"cut.{ending}"
    for size in (10, len(whole) // 2, len(whole) - 30):
        root.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"cut\."):
            fingerprint(dataset(), root)


def test_a_hostile_archive_as_root_is_refused(tmp_path: Path):
    root = as_zip(tmp_path / "bad.zip", {"../evil": b"1"})
    with pytest.raises(UnsafeArchiveError):
        fingerprint(dataset(), root)
    with pytest.raises(UnsafeArchiveError):
        context(dataset(), root).folder()


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write(tmp_path / "plain", FILES)
    real_open = os.open

    def refusing(path: Any, *words: Any, **more: Any) -> Any:
        if Path(path).name == "labels.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *words, **more)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(DataError, match=r"labels\.csv may not be read: change its permissions"):
        fingerprint(dataset(), root)


def test_a_folder_that_may_not_be_read_is_named_and_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Passed over, the rest of the data would get a fingerprint as if it were all."""
    root = write(tmp_path / "plain", FILES)
    real_scandir = os.scandir

    def refusing(path: Any = ".") -> Any:
        if Path(path).name == "train":
            raise PermissionError(13, "Permission denied", str(path))
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match="train may not be read"):
        fingerprint(dataset(), root)


# a data set's own root


def test_a_root_is_the_datasets_own_folder_where_it_has_one_of_its_name(tmp_path: Path):
    (tmp_path / "data" / "d").mkdir(parents=True)
    assert dataset_root(dataset(), tmp_path / "data") == tmp_path / "data" / "d"
    assert dataset_root(dataset(), tmp_path / "data", several=True) == tmp_path / "data" / "d"
    assert dataset_root(dataset(name="other"), tmp_path / "data") == tmp_path / "data"


def test_with_several_datasets_the_root_is_only_a_parent(tmp_path: Path):
    (tmp_path / "data").mkdir()
    assert dataset_root(dataset(), tmp_path / "data", several=True) is None


def test_an_archive_may_be_a_root(tmp_path: Path):
    root = as_zip(tmp_path / "all.zip", FILES)
    assert dataset_root(dataset(), root) == root


def test_without_a_root_and_for_generated_data_there_is_no_own_root(tmp_path: Path):
    assert dataset_root(dataset(), None) is None
    assert dataset_root(dataset(origin="exact"), tmp_path) is None
    assert dataset_root(dataset(origin="bundled"), tmp_path / "absent") is None


def test_a_root_with_a_name_that_no_system_takes_is_not_there():
    with pytest.raises(DataUnavailableError, match=r"data root .*aaa is not there"):
        dataset_root(dataset(), Path("/" + "a" * 5000))


def test_a_root_is_absolute_and_the_home_folder_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert dataset_root(dataset(), Path("data")) == tmp_path / "data"
    assert dataset_root(dataset(), Path("~/data")) == tmp_path / "data"


# finding files


@pytest.mark.parametrize("name", ["images.gz", "images", "deep/er/images.gz", "deep/er/images"])
def test_a_file_is_found_packed_or_unpacked_at_any_depth(name: str, tmp_path: Path):
    root = write(tmp_path / "root", {name: b"1", "other/file": b"2"})
    assert context(dataset(), root).file("images.gz") == root / name


def test_the_packed_file_goes_before_the_unpacked_one_in_its_folder(tmp_path: Path):
    root = write(tmp_path / "root", {"b/images": b"1", "b/images.gz": b"2"})
    assert context(dataset(), root).file("images.gz") == root / "b/images.gz"


def test_a_file_that_is_here_twice_is_refused(tmp_path: Path):
    root = write(tmp_path / "root", {"a/images": b"1", "b/images.gz": b"2"})
    with pytest.raises(DamagedDataError, match=r"holds the same file twice, .*a/images and .*b/images\.gz: give"):
        context(dataset(), root).file("images.gz")


def test_a_folder_of_the_files_name_is_not_the_file(tmp_path: Path):
    root = write(tmp_path / "root", {"images.gz/images": b"1"})
    assert context(dataset(), root).file("images.gz") == root / "images.gz/images"


def test_a_file_is_found_in_an_archive(tmp_path: Path):
    root = as_tar(tmp_path / "all.tar.gz", {"deep/images.gz": b"1"})
    assert context(dataset(), root).file("images.gz").read_bytes() == b"1"


def test_the_error_for_a_file_missing_below_the_root_says_what_the_root_must_hold(tmp_path: Path):
    root = write(tmp_path / "root", {"other": b"1"})
    with pytest.raises(
        DataUnavailableError, match=r"images\.gz is not below .*root; give --data-root.*train/ and test/"
    ):
        context(dataset(), root).file("images.gz")


def test_a_folder_is_given_as_it_is(tmp_path: Path):
    assert context(dataset(), tmp_path).folder() == tmp_path


def test_an_archive_is_unpacked_once_into_the_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    root = as_zip(tmp_path / "all.zip", FILES)
    folder = context(dataset(), root).folder()
    assert folder.is_relative_to(cache)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == set(FILES)
    monkeypatch.setattr(archives, "extract", None)
    assert context(dataset(), root).folder() == folder


@pytest.mark.parametrize("damage", ["cut", "added", "removed"])
def test_an_unpacked_archive_that_was_damaged_is_unpacked_anew(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    root = as_zip(tmp_path / "all.zip", FILES)
    folder = context(dataset(), root).folder()
    if damage == "removed":
        (folder / "train/a.bin").unlink()
    else:
        (folder / f"train/{'a' if damage == 'cut' else 'c'}.bin").write_bytes(b"firs")
    again = context(dataset(), root).folder()
    assert again == folder
    assert {path.relative_to(again).as_posix(): path.read_bytes() for path in again.rglob("*.*")} == FILES
    assert "is damaged" in caplog.text


@pytest.mark.usefixtures("old_files")
@pytest.mark.parametrize("name", ["stamps.json", "archives.json"])
def test_a_cached_checksum_that_was_edited_is_not_used(name: str, cache: Path, tmp_path: Path):
    root = write(tmp_path / "plain", FILES) if name == "stamps.json" else as_zip(tmp_path / "all.zip", FILES)
    before = fingerprint(dataset(), root)
    content = (cache / name).read_text()
    digest = hashlib.sha256(FILES["labels.csv"]).hexdigest()
    assert digest in content
    (cache / name).write_text(content.replace(digest, "0" * 64))
    assert fingerprint(dataset(), root) == before


def test_an_archive_that_changed_is_unpacked_anew(tmp_path: Path):
    before = context(dataset(), as_zip(tmp_path / "all.zip", FILES)).folder()
    after = context(dataset(), as_zip(tmp_path / "all.zip", {"new.txt": b"a new one"})).folder()
    assert before != after
    assert [path.name for path in after.iterdir()] == ["new.txt"]


def test_an_archive_that_two_trials_unpack_at_once_is_unpacked_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = as_zip(tmp_path / "all.zip", FILES)
    real_members = archives.members

    def with_a_faster_trial(archive: Path) -> Iterator[Any]:
        monkeypatch.setattr(archives, "members", real_members)
        context(dataset(), root).folder()
        yield from real_members(archive)

    monkeypatch.setattr(archives, "members", with_a_faster_trial)
    folder = context(dataset(), root).folder()
    assert (folder / "labels.csv").read_bytes() == FILES["labels.csv"]


def test_without_a_named_folder_the_error_says_what_it_must_hold():
    with pytest.raises(DataUnavailableError, match="cannot be downloaded; give --data-root"):
        context(dataset()).folder()


def test_a_context_without_a_dataset_finds_nothing():
    with pytest.raises(DataError, match="belongs to no data set"):
        Context().file("a")


def test_the_state_of_data_in_words(tmp_path: Path):
    assert state(dataset(), tmp_path) == f"in {tmp_path}"
    assert state(dataset(origin="exact"), None) == "ready"
    assert state(dataset(), None) == "needs --data-root"
    spec = published({"a": b"1", "b": b"2"})
    assert state(spec, None) == "to be downloaded: zoo data fetch d"
    write(download_folder(spec), {"a": b"1"})
    assert state(spec, None).startswith("to be downloaded")
    write(download_folder(spec), {"b": b"2"})
    assert state(spec, None) == "downloaded"


# downloads


class Server(ThreadingHTTPServer):
    """Serves `files` by path on this machine and counts what it is asked."""

    files: Mapping[str, bytes]
    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"") + (1000 if "cut" in self.path else 0)))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Mapping[str, bytes]], Server]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[tuple[Server, threading.Thread]] = []

    def start(files: Mapping[str, bytes]) -> Server:
        server = Server(("127.0.0.1", 0), Handler)
        server.files, server.asked = {f"/{name}": content for name, content in files.items()}, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_downloaded_once_checked_and_kept(serve: Callable[..., Server]):
    server = serve({"a.bin": b"published"})
    spec = published({"a.bin": b"published"}, server.url)
    found = context(spec).file("a.bin")
    assert found.read_bytes() == b"published"
    assert found == download_folder(spec) / "a.bin"
    assert context(spec).file("a.bin") == context(spec, offline=True).file("a.bin") == found
    assert server.asked == ["/a.bin"]


def test_a_download_with_a_wrong_checksum_is_damaged_data_and_nothing_is_kept(serve: Callable[..., Server]):
    server = serve({"a.bin": b"something else"})
    spec = published({"a.bin": b"published"}, server.url)
    with pytest.raises(DamagedDataError, match=r"a\.bin is not the published file"):
        context(spec).file("a.bin")
    assert files_below(download_folder(spec)) == []


def test_where_the_first_address_is_dead_the_second_is_tried(serve: Callable[..., Server]):
    server = serve({"a.bin": b"published"})
    dead = serve({})
    spec = published({"a.bin": b"published"}, dead.url, "http://127.0.0.1:9", server.url)
    assert context(spec).file("a.bin").read_bytes() == b"published"
    assert dead.asked == ["/a.bin"]


def test_where_the_first_address_breaks_off_the_second_is_tried(serve: Callable[..., Server]):
    server = serve({"cut/a.bin": b"publ", "a.bin": b"published"})
    spec = published({"a.bin": b"published"}, f"{server.url}/cut", server.url)
    assert context(spec).file("a.bin").read_bytes() == b"published"
    assert files_below(download_folder(spec)) == ["a.bin"]


def test_where_no_server_answers_the_error_names_the_addresses_and_what_to_do(serve: Callable[..., Server]):
    dead = serve({})
    spec = published({"a.bin": b"published"}, dead.url, "http://127.0.0.1:9")
    with pytest.raises(DataUnavailableError) as caught:
        context(spec).file("a.bin")
    for words in ("zoo-x:d", f"{dead.url}/a.bin", "http://127.0.0.1:9/a.bin", "network", "--data-root", "train/"):
        assert words in str(caught.value)
    assert files_below(download_folder(spec)) == []


def test_a_downloaded_file_that_was_changed_is_downloaded_again(serve: Callable[..., Server]):
    server = serve({"a.bin": b"published"})
    spec = published({"a.bin": b"published"}, server.url)
    context(spec).file("a.bin").write_bytes(b"changed!!")
    assert context(spec).file("a.bin").read_bytes() == b"published"
    assert len(server.asked) == 2


def test_offline_a_missing_download_is_not_requested(serve: Callable[..., Server]):
    server = serve({"a.bin": b"published"})
    spec = published({"a.bin": b"published"}, server.url)
    with pytest.raises(DataUnavailableError, match=r"a\.bin was never downloaded, and --offline forbids it"):
        context(spec, offline=True).file("a.bin")
    assert server.asked == []


def test_a_file_that_the_dataset_does_not_declare_is_not_downloaded():
    with pytest.raises(DataError, match=r"declares no download 'b\.bin'"):
        context(published({"a.bin": b"1"})).file("b.bin")


def test_a_data_root_goes_before_a_download(serve: Callable[..., Server], tmp_path: Path):
    server = serve({"a.bin": b"published"})
    spec = published({"a.bin": b"published"}, server.url)
    root = write(tmp_path / "mine", {"a.bin": b"my own"})
    assert context(spec, root).file("a.bin").read_bytes() == b"my own"
    assert server.asked == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_file_name_that_is_not_utf8_is_an_error_that_shows_it(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xe1\xee\xf0.png")).write_bytes(b"1")
    with pytest.raises(DamagedDataError, match=r"the name of .*\\xe1\\xee\\xf0\.png is not UTF-8"):
        fingerprint(dataset(), tmp_path)
