"""A pickled model of a notebook is read only if no other user can have written it, also in a shared cache."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.entries import resolve_entry
from zoo_core.entries.notebook import model_of_object
from zoo_core.errors import UsageError, ZooError
from zoo_core.files import cache_dir
from zoo_core.registry import Registry

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no owners of this kind")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The entry of a pickled model, in a cache of its own."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return model_of_object(lambda width=3: width, Registry.load().task("cosine")).entry


def put_trap(path: Path) -> None:
    """Replace the pickle as an attacker would, who can write to the folder."""
    path.unlink()
    path.write_bytes(pickle.dumps({"build": Trap(path.parents[2] / "executed"), "stem": "", "title": ""}))


def replaced_by_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def replaced_folder(path: Path) -> None:
    path.parent.rename(path.parents[1] / "moved")
    path.parent.symlink_to(path.parents[1] / "moved")


def replaced_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def given_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    os.chown(path, 12345, -1)


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a file that the group can write": (lambda path: path.chmod(0o660), "can be written by other users (mode 660)"),
    "a file that all can write": (lambda path: path.chmod(0o666), "can be written by other users (mode 666)"),
    "a folder that all can write": (lambda path: path.parent.chmod(0o777), "can be written by other users (mode 777)"),
    "a folder with a sticky bit": (lambda path: path.parent.chmod(0o1777), "can be written by other users (mode 1777)"),
    "a file of another user": (given_away, "belongs to another user (uid 12345"),
    "a folder of another user": (lambda path: given_away(path.parent), "belongs to another user (uid 12345"),
    "a link": (replaced_by_link, "is a link"),
    "a folder that is a link": (replaced_folder, "is a link"),
    "a FIFO": (replaced_by_fifo, "is not a regular file"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_pickle_that_others_can_have_written_is_not_read(kept: str, kind: str, tmp_path: Path) -> None:
    path = Path(kept.rpartition(":")[0])
    put_trap(path)
    path.chmod(0o600)
    make, words = FAULTS[kind]
    make(path)
    for read in (resolve_entry, Registry.load().model_or_file):
        with pytest.raises(ZooError) as raised:
            read(kept)
        assert words in str(raised.value)
    assert not (tmp_path / "executed").exists()


def test_the_pickle_and_its_folder_are_closed_whatever_the_umask_is(kept: str) -> None:
    folder = Path(kept.rpartition(":")[0]).parent
    folder.chmod(0o777)
    before = os.umask(0o002)
    try:
        entry = model_of_object(lambda width=4: width, Registry.load().task("cosine")).entry
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(entry.rpartition(":")[0]).stat().st_mode & 0o777 == 0o600
    assert resolve_entry(entry)() == 4
    assert folder == cache_dir() / f"notebooks-{os.geteuid()}"


def test_a_folder_that_another_user_made_in_a_shared_cache_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    folder = tmp_path / f"notebooks-{os.geteuid()}"
    folder.mkdir()
    given_away(folder)
    with pytest.raises(UsageError, match="belongs to another user"):
        model_of_object(lambda width=3: width, Registry.load().task("cosine"))
