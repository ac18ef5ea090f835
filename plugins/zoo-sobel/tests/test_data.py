"""The loaders: scikit-learn's photos, real photos of other folders, odd sizes and forms, and damaged files."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.signal import correlate2d
from zoo_sobel import data
from zoo_sobel.data import PhotoFolder, SamplePhotos, patch_places, read_photo, sobel_response, to_columns
from zoo_sobel.models.fixed import SOBEL
from zoo_sobel.pictures import stitched

from zoo_core import Context, DamagedDataError, DatasetSpec, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.images import read_image
from zoo_core.data.locate import DatasetFiles
from zoo_core.data.open import data_context

SPEC = DatasetSpec(
    name="photos-of-a-test",
    title="a test's",
    origin="real",
    licence="none",
    signature=Signature(input_shape=(1, 66, 66)),
    entry="zoo_sobel.data:PhotoFolder",
)


def opened(root: Path) -> tuple[PhotoFolder, DatasetFiles]:
    """The loader of a folder, and what it tells of the files."""
    ctx = data_context(SPEC, Context(data_root=root))
    assert isinstance(ctx.files, DatasetFiles)
    return PhotoFolder(ctx), ctx.files


def loaded(root: Path) -> list[dict[str, Any]]:
    folder, _ = opened(root)
    return [folder.load("train"), folder.load("test")]


def noise(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def save(path: Path, levels: Any, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path, **more)
    return path


def photos(root: Path, count: int = 5) -> Path:
    for number in range(count):
        save(root / f"photo{number}.png", noise(70 + number, 130, number))
    return root


def photo_of(columns: dict[str, Any], number: int = 0) -> Any:
    """A photo, put together again from its patches."""
    rows = columns["group"] == number if "group" in columns else slice(None)
    return stitched(columns["x"][rows, 0, 1:-1, 1:-1], columns["place"][rows])


# the response


def test_the_response_to_an_edge_is_that_of_sobels_kernel() -> None:
    edge = np.zeros((3, 4), np.uint8)
    edge[:, 2:] = 255
    assert sobel_response(edge).tolist() == [[0, 1020, 1020, 0]] * 3
    assert sobel_response(edge.T.copy()).tolist() == [[0, 0, 0]] * 4, "an edge from left to right has no response"
    assert sobel_response(255 - edge).min() == -1020


def test_the_response_is_a_correlation_with_the_fixed_kernel_and_a_reflected_border() -> None:
    photo = noise(67, 81)
    expected = correlate2d(photo.astype(np.float64), np.asarray(SOBEL), mode="same", boundary="symm")
    assert np.array_equal(sobel_response(photo), expected)


@given(st.tuples(st.integers(64, 300), st.integers(64, 300)))
@settings(max_examples=25, deadline=None)
def test_the_patches_cover_a_photo_of_any_size_and_hold_its_whole_response(size: tuple[int, int]) -> None:
    photo = noise(*size)
    columns = to_columns([photo])
    assert np.array_equal(photo_of(columns), photo)
    assert np.array_equal(stitched(columns["y"][:, 0], columns["place"]), sobel_response(photo))
    inner = correlate2d(columns["x"][-1, 0].astype(np.float64), np.asarray(SOBEL), mode="valid")
    assert np.array_equal(columns["y"][-1, 0], inner), "no pixel beyond the patch is needed"


def test_patches_of_a_multiple_of_their_size_do_not_overlap() -> None:
    assert patch_places((64, 192)) == [(0, 0), (0, 64), (0, 128)]


# scikit-learn's photos


def test_one_photo_is_train_and_the_other_is_test() -> None:
    both = SamplePhotos(Context())
    train, test = both.load("train"), both.load("test")
    assert (train["x"].shape, train["x"].dtype) == ((70, 1, 66, 66), np.uint8)
    assert (test["y"].shape, test["y"].dtype) == ((70, 1, 64, 64), np.int16)
    assert photo_of(train).shape == photo_of(test).shape == (427, 640)
    assert photo_of(train)[:100].mean() > 150, "the sky over the pagoda"
    assert photo_of(test)[:100].mean() < 100, "leaves behind the flower"
    assert "group" not in train, "val is held out of train by groups, and one photo cannot be divided"
    with pytest.raises(UnknownSplitError):
        both.load("val")


# folders


def test_the_last_fifth_of_the_photos_is_test_and_at_least_one(tmp_path: Path) -> None:
    folder, _ = opened(photos(tmp_path / "ten", 10))
    train, test = folder.load("train"), folder.load("test")
    assert sorted(set(train["group"])) == list(range(8))
    assert [photo_of(train, number).shape for number in range(8)] == [(70 + number, 130) for number in range(8)]
    assert np.array_equal(photo_of(test, 1), noise(79, 130, 9))
    two, _ = opened(photos(tmp_path / "two", 2))
    assert np.array_equal(photo_of(two.load("test")), noise(71, 130, 1))
    with pytest.raises(UnknownSplitError):
        two.load("val")


def test_folders_train_and_test_are_the_splits_wherever_they_lie(tmp_path: Path) -> None:
    for split, seed in (("train", 1), ("test", 2), ("valid", 3)):
        save(tmp_path / "holiday" / split / "2026" / "a.png", noise(64, 64, seed))
    folder, _ = opened(tmp_path)
    for split, seed in (("train", 1), ("test", 2), ("val", 3)):
        assert np.array_equal(photo_of(folder.load(split)), noise(64, 64, seed))


def test_photos_of_one_example_never_lie_in_train_and_in_test(tmp_path: Path) -> None:
    folder, _ = opened(photos(tmp_path, 7))
    train, test = ({x.tobytes() for x in columns["x"]} for columns in (folder.load("train"), folder.load("test")))
    assert not train & test


def test_colours_transparency_and_palettes_become_grey(tmp_path: Path) -> None:
    grey = noise(64, 65)
    save(tmp_path / "a.png", grey)
    save(tmp_path / "b.png", np.stack([grey] * 3, axis=2))
    save(tmp_path / "c.png", np.stack([grey] * 3 + [255 - grey], axis=2))
    Image.fromarray(grey).convert("P").save(tmp_path / "d.png")
    Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "e.png")
    Image.fromarray(grey).convert("CMYK").save(tmp_path / "f.tif")
    for name in "abcd":
        assert np.array_equal(read_photo(tmp_path / f"{name}.png"), grey), name
    assert set(read_photo(tmp_path / "e.png").ravel()) == {76}, "ITU-R 601: 0.299 of red"
    assert np.abs(read_photo(tmp_path / "f.tif").astype(int) - grey).max() <= 1


@pytest.mark.parametrize(("orientation", "turned"), [(3, 2), (6, 3), (8, 1)])
def test_a_photo_is_turned_as_its_exif_tag_says(orientation: int, turned: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    grey = noise(64, 80)
    assert np.array_equal(read_photo(save(tmp_path / "a.png", grey, exif=exif)), np.rot90(grey, turned))


def test_a_large_photo_is_reduced_and_keeps_its_shape(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 3000).astype(np.uint8), (1500, 3000))
    photo = read_photo(save(tmp_path / "a.png", smooth.copy()))
    assert photo.shape == (512, 1024)
    assert np.abs(photo[0].astype(int) - np.linspace(0, 255, 1024)).max() <= 2


def test_small_photos_are_left_out_by_name_and_other_files_are_not_read(tmp_path: Path) -> None:
    save(photos(tmp_path, 3) / "icon.png", noise(63, 200))
    (tmp_path / "notes.txt").write_text("no photo")
    save(tmp_path / ".trash" / "old.png", noise(64, 64))
    folder, files = opened(tmp_path)
    assert sorted(set(folder.load("train")["group"])) == [0, 1], "icon, photo0, photo1"
    assert files.left_out == {tmp_path / "icon.png": "smaller than 64x64 pixels"}


def test_of_many_photos_some_are_taken_all_over_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MAX_PHOTOS", 3)
    folder, files = opened(photos(tmp_path, 12))
    columns = folder.load("train")
    taken = [photo_of(columns, number).shape[0] - 70 for number in range(3)]
    assert (taken[0], taken[2]) == (0, 9)
    assert len(files.left_out) == 7
    assert set(files.left_out.values()) == {"beyond 3 photos in a split"}


@pytest.mark.data
def test_real_photos_with_an_alpha_channel_are_read(test_data: Path, tmp_path: Path) -> None:
    with tarfile.open(test_data / "roadsign.tar") as archive:
        some = [item for item in archive if item.name.endswith(".png")][:4]
        archive.extractall(tmp_path, some, filter="data")
    paths = sorted(tmp_path.rglob("*.png"), key=lambda path: int(path.stem.removeprefix("road")))
    for path in paths:
        with Image.open(path) as photo:
            assert photo.mode == "RGBA"
    folder, _ = opened(tmp_path)
    test = folder.load("test")
    assert np.array_equal(photo_of(test), read_image(paths[-1], channels=1)[0])
    assert np.array_equal(stitched(test["y"][:, 0], test["place"]), sobel_response(photo_of(test)))


# damaged folders


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


DAMAGES: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "a file that ends too early": (
        lambda root: cut(root / "photo1.png"),
        DamagedDataError,
        "photo1.png cannot be read as a picture",
    ),
    "an empty file": (lambda root: (root / "photo1.png").write_bytes(b""), DamagedDataError, "photo1.png"),
    "a text with the name of a photo": (
        lambda root: (root / "photo1.png").write_text("hello"),
        DamagedDataError,
        "photo1.png cannot be read",
    ),
    "16 bits a channel": (
        lambda root: save(root / "photo1.png", noise(70, 70).astype(np.uint16)),
        DamagedDataError,
        "photo1.png.*more than 8 bits",
    ),
    "one photo": (
        lambda root: list(map(Path.unlink, root.glob("photo[1-4].png"))),
        DataUnavailableError,
        "holds 1 photos: one is needed for train and one for test",
    ),
    "no photo": (
        lambda root: [path.rename(path.with_suffix(".doc")) for path in root.glob("*.png")],
        DataUnavailableError,
        "holds 0 photos",
    ),
    "a test photo that is too small": (
        lambda root: save(root / "photo4.png", noise(10, 10)),
        DataUnavailableError,
        "no photo for test with 64 pixels a side",
    ),
    "train without test": (
        lambda root: save(root / "train" / "a.png", noise(64, 64)),
        DataUnavailableError,
        "holds no folder 'test'",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_wrong_with_a_folder_is_said_by_name(case: str, tmp_path: Path) -> None:
    damage, error, words = DAMAGES[case]
    damage(photos(tmp_path))
    with pytest.raises(error, match=words) as told:
        loaded(tmp_path)
    assert "\n" not in str(told.value)
