"""The loader on real pictures of dogs, on small folders and on damaged ones."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from zoo_dogs70.data import DogBreeds

from zoo_core import (
    Context,
    DamagedDataError,
    DatasetSpec,
    DataUnavailableError,
    Signature,
    UnknownSplitError,
    ZooError,
)
from zoo_core.data.open import data_context

SPEC = DatasetSpec(
    name="dogs-of-a-test",
    title="a test's",
    origin="real",
    licence="none",
    signature=Signature(input_shape=(3, 224, 224)),
    entry="zoo_dogs70.data:DogBreeds",
)
BREEDS = ["Afghan", "beagle", "Chow"]  # by name: capitals come first
FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def dogs(root: Path) -> DogBreeds:
    return DogBreeds(data_context(SPEC, Context(data_root=root)))


@pytest.fixture(scope="module")
def real_dogs(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dogs")
    with tarfile.open(test_data / "dogs.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def loaded(real_dogs: Path) -> dict[str, Any]:
    """All splits, read once."""
    return {split: dogs(real_dogs).load(split) for split in FOLDERS}


@pytest.mark.data
@pytest.mark.parametrize(("split", "count"), [("train", 1250), ("val", 250), ("test", 300)])
def test_dogs_are_read_as_torchvision_reads_them(
    real_dogs: Path, loaded: dict[str, Any], split: str, count: int
) -> None:
    from torchvision.datasets import ImageFolder

    reference = ImageFolder(str(real_dogs / "dogs" / FOLDERS[split]))
    ours = loaded[split]
    assert ours["x"].shape == (count, 3, 224, 224)
    assert ours["x"].dtype == np.uint8
    assert ours["y"].dtype == np.int64
    assert ours["y"].tolist() == reference.targets
    assert list(dogs(real_dogs).signature.classes) == reference.classes
    for row in range(0, count, 10):
        assert np.array_equal(ours["x"][row].transpose(1, 2, 0), np.asarray(reference[row][0]))


def mode_of(path: Path) -> str:
    with Image.open(path) as picture:
        return picture.mode


@pytest.mark.data
def test_the_fourteen_grey_dogs_have_three_equal_channels(real_dogs: Path, loaded: dict[str, Any]) -> None:
    grey = 0
    for split, folder in FOLDERS.items():
        files = sorted((real_dogs / "dogs" / folder).glob("*/*.JPEG"))  # in the loader's order
        rows = [row for row, path in enumerate(files) if mode_of(path) == "L"]
        images = loaded[split]["x"][rows]
        assert np.array_equal(images[:, 0], images[:, 1])
        assert np.array_equal(images[:, 0], images[:, 2])
        grey += len(rows)
    assert grey == 14


def write(root: Path, size: tuple[int, int] = (224, 224)) -> Path:
    """Two pictures for each breed and split; red is 50 times the breed's place, green 100 times the picture's."""
    for split in FOLDERS.values():
        for label, breed in enumerate(sorted(BREEDS)):
            (root / split / breed).mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", size, (50 * label, 100 * number, 0)).save(root / split / breed / f"{number}.PNG")
    return root


@pytest.mark.parametrize("size", [(224, 224), (300, 200), (30, 40)])
def test_pictures_of_any_size_become_224_by_224(tmp_path: Path, size: tuple[int, int]) -> None:
    dataset = dogs(write(tmp_path, size))
    assert dataset.signature == Signature(input_shape=(3, 224, 224), outputs=3, classes=("Afghan", "Chow", "beagle"))
    for split in FOLDERS:
        ours = dataset.load(split)
        assert ours["x"].shape == (6, 3, 224, 224)
        assert ours["y"].tolist() == [0, 0, 1, 1, 2, 2]
        assert ours["x"][:, 0, 100, 100].tolist() == [0, 0, 50, 50, 100, 100]
        assert ours["x"][:, 1, 100, 100].tolist() == [0, 100, 0, 100, 0, 100]


def test_the_val_split_may_be_called_val_and_lie_in_an_archive(tmp_path: Path) -> None:
    write(tmp_path / "Dogs")
    (tmp_path / "Dogs" / "valid").rename(tmp_path / "Dogs" / "Val")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "Dogs"))
    for root in (tmp_path, tmp_path / "Dogs", archive):
        assert len(dogs(root).load("val")["x"]) == 6


def test_without_a_valid_folder_there_is_no_val_split(tmp_path: Path) -> None:
    dataset = dogs(write(tmp_path))
    shutil.rmtree(tmp_path / "valid")
    dataset = dogs(tmp_path)
    with pytest.raises(UnknownSplitError, match="no split 'val', only test, train"):
        dataset.load("val")
    with pytest.raises(UnknownSplitError, match="no split 'extra'"):
        dataset.load("extra")


def test_a_breed_that_is_called_like_a_split_is_no_split(tmp_path: Path) -> None:
    write(tmp_path)
    shutil.rmtree(tmp_path / "valid")
    for split in ("train", "test"):
        (tmp_path / split / "Chow").rename(tmp_path / split / "val")
    with pytest.raises(UnknownSplitError):
        dogs(tmp_path).load("val")


def cut(root: Path) -> Path:
    path = root / "test" / "Chow" / "1.PNG"
    path.write_bytes(path.read_bytes()[:100])
    return path


def not_a_picture(root: Path) -> Path:
    path = root / "test" / "Chow" / "1.PNG"
    path.write_text("<html>not found</html>")
    return path


def another_breed(root: Path) -> Path:
    return (root / "test" / "Chow").rename(root / "test" / "Pug").parent


def breed_too_few(root: Path) -> Path:
    shutil.rmtree(root / "test" / "Chow")
    return root / "test"


def no_pictures(root: Path) -> Path:
    for path in (root / "test" / "Chow").iterdir():
        path.unlink()
    return root / "test" / "Chow"


def no_breeds(root: Path) -> Path:
    shutil.rmtree(root / "test")
    (root / "test").mkdir()
    return root / "test"


DAMAGED: dict[str, tuple[Callable[[Path], Path], type[ZooError], str]] = {
    "a cut picture": (cut, DamagedDataError, "cannot be read as a picture"),
    "a web page": (not_a_picture, DamagedDataError, "cannot be read as a picture"),
    "a breed that train has not": (another_breed, DamagedDataError, "unknown: Pug"),
    "a breed too few": (breed_too_few, DamagedDataError, "missing: Chow"),
    "a breed without pictures": (no_pictures, DataUnavailableError, "holds no pictures"),
    "a split without breeds": (no_breeds, DataUnavailableError, "is empty"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_folders_are_an_error_that_names_the_place(tmp_path: Path, damage: str) -> None:
    do, kind, words = DAMAGED[damage]
    place = do(write(tmp_path))
    with pytest.raises(kind, match=re.escape(words)) as caught:
        dogs(tmp_path).load("test")
    assert str(place) in str(caught.value)
    assert len(dogs(tmp_path).load("train")["x"]) == 6


def test_a_missing_split_is_an_error_that_says_what_the_root_must_hold(tmp_path: Path) -> None:
    shutil.rmtree(write(tmp_path) / "test")
    with pytest.raises(DataUnavailableError, match=re.escape("holds no folder 'test'; it must hold train/<breed>/")):
        dogs(tmp_path)


@pytest.mark.parametrize("name", ["val", "Valid", "validation"])
def test_a_val_split_may_have_any_of_its_usual_names(tmp_path: Path, name: str) -> None:
    expected = dogs(write(tmp_path)).load("val")["y"].tolist()
    (tmp_path / "valid").rename(tmp_path / name)
    assert dogs(tmp_path).load("val")["y"].tolist() == expected


def test_a_root_inside_two_outer_folders_is_found_as_in_an_archive_of_them(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b")
    assert dogs(tmp_path).load("train")["y"].tolist() == dogs(tmp_path / "a" / "b").load("train")["y"].tolist()


@pytest.mark.parametrize("root", ["", "train"])
def test_an_empty_folder_says_what_it_must_hold(tmp_path: Path, root: str) -> None:
    (tmp_path / root).mkdir(exist_ok=True)
    with pytest.raises(DataUnavailableError, match=re.escape(str(tmp_path))):
        dogs(tmp_path)
    if not root:
        with pytest.raises(DataUnavailableError, match="must hold train/<breed>"):
            dogs(tmp_path)


def test_a_picture_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dogs(write(tmp_path))

    def refuse(path: Path, *_: object, **__: object) -> Image.Image:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)  # root may read all files, so modes would not do
    with pytest.raises(ZooError, match=re.escape(f"{tmp_path / 'train' / 'Afghan' / '0.PNG'} may not be read")):
        dataset.load("train")
