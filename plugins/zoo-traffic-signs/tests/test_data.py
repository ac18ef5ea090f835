"""The loaders on real traffic signs, on small folders and on damaged ones."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from zoo_traffic_signs.data import MEANINGS, Gtsrb, Rtsd, read_table

from zoo_core import (
    Context,
    DamagedDataError,
    DatasetSpec,
    DataUnavailableError,
    Signature,
    UnknownSplitError,
    ZooError,
)
from zoo_core.data.locate import DatasetFiles
from zoo_core.data.open import data_context

SPEC = DatasetSpec(
    name="signs-of-a-test",
    title="a test's",
    origin="real",
    licence="none",
    signature=Signature(input_shape=(3, 48, 48)),
    entry="zoo_traffic_signs.data:Gtsrb",
)
OFFICIAL_HEADER = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


def gtsrb(root: Path) -> Gtsrb:
    return Gtsrb(data_context(SPEC, Context(data_root=root)))


def rtsd(root: Path) -> Rtsd:
    return Rtsd(data_context(SPEC, Context(data_root=root)))


@pytest.fixture(scope="module")
def real_signs(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signs")
    with tarfile.open(test_data / "gtsrb.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "gtsrb"


@pytest.fixture(scope="module")
def real_gtsrb(real_signs: Path) -> dict[str, Any]:
    """Both splits, read once."""
    return {split: gtsrb(real_signs).load(split) for split in ("train", "test")}


@pytest.mark.data
@pytest.mark.parametrize(("split", "count"), [("train", 1204), ("test", 473)])
def test_gtsrb_is_read_as_torchvision_reads_it(
    real_signs: Path, real_gtsrb: dict[str, Any], split: str, count: int
) -> None:
    from torchvision import datasets

    reference = datasets.GTSRB(str(real_signs), split=split, download=False)
    ours = real_gtsrb[split]
    assert ours["x"].shape == (count, 3, 48, 48)
    assert ours["x"].dtype == np.uint8
    assert ours["y"].dtype == ours["group"].dtype == np.int64
    assert ours["y"].tolist() == [label for _, label in reference._samples]
    assert np.bincount(ours["y"]).tolist() == [count // 43] * 43
    for row in range(0, count, 25):
        picture = reference[row][0].resize((48, 48), Image.Resampling.BILINEAR)
        assert np.array_equal(ours["x"][row].transpose(1, 2, 0), np.asarray(picture))


@pytest.mark.data
def test_a_group_is_a_track_of_one_class_and_no_track_is_in_both_splits(
    real_signs: Path, real_gtsrb: dict[str, Any]
) -> None:
    train, test = real_gtsrb["train"], real_gtsrb["test"]
    names = [path.relative_to(real_signs).parts[3:] for path in sorted(real_signs.glob("gtsrb/GTSRB/Training/*/*"))]
    tracks = [f"{name}/{file.partition('_')[0]}" for name, file in names]
    assert len(set(zip(train["group"].tolist(), tracks, strict=True))) == len(set(tracks)) == len(set(train["group"]))
    assert len(set(test["group"])) == 179
    assert not set(train["group"]) & set(test["group"])
    for ours in (train, test):
        assert len(set(zip(ours["group"].tolist(), ours["y"].tolist(), strict=True))) == len(set(ours["group"]))


@pytest.mark.data
def test_rtsds_tables_give_the_same_pictures_and_classes(real_signs: Path, real_gtsrb: dict[str, Any]) -> None:
    signs = rtsd(real_signs)
    assert signs.signature.classes == tuple(map(str, range(43)))
    for split in ("train", "test"):
        ours, reference = signs.load(split), real_gtsrb[split]
        assert sorted(ours) == ["x", "y"]
        assert np.array_equal(ours["x"], reference["x"])
        assert np.array_equal(ours["y"], reference["y"])


def test_the_43_meanings_differ() -> None:
    assert len(set(MEANINGS)) == len(MEANINGS) == 43
    assert (MEANINGS[0], MEANINGS[14], MEANINGS[42]) == ("speed limit 20", "stop", "end of no overtaking by lorries")


def paint(path: Path, red: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30 + red, 40), (red, 0, 0)).save(path)


def write_gtsrb(root: Path) -> Path:
    """Train: two tracks of class 2, one of class 40. Test, with the official header: classes 40, 2, 40."""
    for red, name in enumerate(["00002/00000_00000", "00002/00000_00029", "00002/00007_00000", "00040/00007_00000"]):
        paint(root / "GTSRB" / "Training" / f"{name}.ppm", red)
    (root / "GTSRB" / "Training" / "00002" / "GT-00002.csv").write_text(f"{OFFICIAL_HEADER}\n")
    for red in range(3):
        paint(root / "GTSRB" / "Final_Test" / "Images" / f"0000{red}.ppm", red)
    (root / "GTSRB" / "Final_Test" / "Images" / "GT-final_test.test.csv").write_text("no answers in this one\n")
    write_answers(root, [40, 2, 40])
    return root


def write_answers(root: Path, labels: list[Any], header: str = OFFICIAL_HEADER) -> None:
    lines = [f"0000{row}.ppm;30;40;5;5;25;35;{label}" for row, label in enumerate(labels)]
    (root / "GT-final_test.csv").write_bytes("\r\n".join([header, *lines, ""]).encode())


def test_the_official_form_gives_classes_and_tracks(tmp_path: Path) -> None:
    signs = gtsrb(write_gtsrb(tmp_path))
    assert signs.signature == Signature(input_shape=(3, 48, 48), outputs=43, classes=MEANINGS)
    train, test = signs.load("train"), signs.load("test")
    assert train["y"].tolist() == [2, 2, 2, 40]
    assert train["group"].tolist() == [200_000, 200_000, 200_007, 4_000_007]
    assert test["y"].tolist() == [40, 2, 40]
    assert test["x"][:, 0, 20, 20].tolist() == [0, 1, 2]
    assert "group" not in test, "the official annotations do not tell the tracks"


def test_a_column_source_gives_the_test_pictures_their_tracks(tmp_path: Path) -> None:
    write_gtsrb(tmp_path)
    lines = ["00002.ppm;40;40/00001_00000.ppm", "00000.ppm;40;40/00001_00010.ppm", "00001.ppm;2;00002/00001_00000.ppm"]
    (tmp_path / "GT-final_test.csv").write_text("\n".join(["Filename; ClassId; Source", *lines]))
    test = gtsrb(tmp_path).load("test")
    assert test["x"][:, 0, 20, 20].tolist() == [2, 0, 1]
    assert test["group"].tolist() == [4_000_001, 4_000_001, 200_001]


def test_without_a_data_root_the_three_archives_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_gtsrb(tmp_path / "whole")
    inside = {
        "GTSRB-Training_fixed.zip": "GTSRB/Training",
        "GTSRB_Final_Test_Images.zip": "GTSRB/Final_Test",
        "GTSRB_Final_Test_GT.zip": "GT-final_test.csv",
    }
    for name, part in inside.items():
        (tmp_path / name / part).parent.mkdir(parents=True)
        (shutil.copytree if (whole / part).is_dir() else shutil.copy)(whole / part, tmp_path / name / part)
    references = {split: gtsrb(whole).load(split) for split in ("train", "test")}
    monkeypatch.setattr(Context, "folder", lambda self, archive="": tmp_path / archive)
    for split, reference in references.items():
        ours = Gtsrb(Context(dataset=SPEC)).load(split)
        assert all(np.array_equal(ours[column], reference[column]) for column in reference)


def test_an_archive_of_the_folder_is_read_like_it(tmp_path: Path) -> None:
    whole = write_gtsrb(tmp_path / "whole")
    with zipfile.ZipFile(tmp_path / "signs.zip", "w") as archive:
        for path in whole.rglob("*.*"):
            archive.write(path, f"data/{path.relative_to(whole)}")
            archive.writestr(f"__MACOSX/data/{path.relative_to(whole).parent}/._{path.name}", b"litter")
    for split in ("train", "test"):
        ours, reference = gtsrb(tmp_path / "signs.zip").load(split), gtsrb(whole).load(split)
        assert all(np.array_equal(ours[column], reference[column]) for column in reference)


def answers(content: str | bytes) -> Callable[[Path], Path]:
    """A damage: other annotations. The file with the error is theirs."""

    def do(root: Path) -> Path:
        path = root / "GT-final_test.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return do


def labelled(*labels: Any) -> Callable[[Path], Path]:
    def do(root: Path) -> Path:
        write_answers(root, list(labels))
        return root / "GT-final_test.csv"

    return do


def gone(*parts: str) -> Callable[[Path], Path]:
    """A damage: files or folders that are not there."""

    def do(root: Path) -> Path:
        for part in parts:
            (shutil.rmtree if (root / part).is_dir() else Path.unlink)(root / part)
        return root

    return do


def renamed(part: str, name: str) -> Callable[[Path], Path]:
    return lambda root: (root / part).rename((root / part).with_name(name))


def shortened(part: str) -> Callable[[Path], Path]:
    def do(root: Path) -> Path:
        (root / part).write_bytes((root / part).read_bytes()[:40])
        return root / part

    return do


def extra(part: str) -> Callable[[Path], Path]:
    def do(root: Path) -> Path:
        paint(root / part, 9)
        return root / part

    return do


TRAINING, IMAGES = "GTSRB/Training", "GTSRB/Final_Test/Images"
SHORT = "Filename;ClassId;Source\n00000.ppm;40;{}\n00001.ppm;2;2/00001_00000.ppm\n00002.ppm;40;40/00001_00000.ppm\n"
Damages = dict[str, tuple[str, Callable[[Path], Path], str]]  # the split, what is done, words of the error
GTSRB_DAMAGED: Damages = {
    "a cut training picture": ("train", shortened(f"{TRAINING}/00040/00007_00000.ppm"), "as a picture"),
    "a cut test picture": ("test", shortened(f"{IMAGES}/00002.ppm"), "as a picture"),
    "an empty class folder": ("train", gone(f"{TRAINING}/00040/00007_00000.ppm"), "00040 holds no pictures"),
    "no class folder": ("train", gone(f"{TRAINING}/00002", f"{TRAINING}/00040"), "Training is empty; it"),
    "a class folder too high": ("train", renamed(f"{TRAINING}/00040", "00043"), "by a class from 00000 to 00042"),
    "a class folder with a name": ("train", renamed(f"{TRAINING}/00040", "stop"), "not named by a class"),
    "a class folder of one digit": ("train", renamed(f"{TRAINING}/00002", "2"), "not named by a class"),
    "a picture of no track": ("train", renamed(f"{TRAINING}/00002/00000_00029.ppm", "7.ppm"), "not named TRACK"),
    "no training pictures": ("train", gone(TRAINING), "holds no Training at any depth; it must"),
    "no test pictures": ("test", gone("GTSRB/Final_Test"), "holds no Final_Test/Images at any depth"),
    "no annotations": ("test", gone("GT-final_test.csv"), "holds no GT-final_test.csv at any depth"),
    "a missing picture": ("test", labelled(40, 2, 40, 2), "line 5: picture '00003.ppm' is not in"),
    "a picture without annotation": ("test", extra(f"{IMAGES}/00009.ppm"), "is not among the annotations in"),
    "a picture outside the folder": ("test", answers("Filename;ClassId\n../../../x.ppm;1\n"), "line 2: picture"),
    "a picture twice": (
        "test",
        answers("Filename;ClassId\n00000.ppm;1\n00000.ppm;2"),
        "line 3: Filename '00000.ppm' is",
    ),
    "a picture without a name": ("test", answers("Filename;ClassId\n;1\n"), "line 2: Filename '' is empty"),
    "a class out of range": ("test", labelled(40, 2, 43), "line 4: class 43 is not one of 0 to 42"),
    "a negative class": ("test", labelled(-1, 2, 40), "line 2: ClassId '-1' is not a class number"),
    "a class that is no number": ("test", labelled(40, "stop", 40), "line 3: ClassId 'stop' is not"),
    "a class that is half a number": ("test", labelled(40, 2.5, 40), "line 3: ClassId '2.5' is not"),
    "a class in other digits": ("test", labelled(40, "٢", 40), "line 3: ClassId '٢' is not"),
    "no class": ("test", labelled(40, 2, ""), "line 4: ClassId '' is not a class number"),
    "empty annotations": ("test", answers(""), "lacks the column 'Filename'"),
    "annotations with a header alone": ("test", answers("Filename;ClassId\n"), "has no lines below"),
    "no classes": ("test", answers("Filename,Width\n00000.ppm,30\n"), "lacks the column 'ClassId'"),
    "cut annotations": ("test", answers(f"{OFFICIAL_HEADER}\n00000.ppm;30;40;5"), "line 2: 4 values for the 8"),
    "annotations cut between lines": ("test", labelled(40, 2), "00002.ppm is not among the annotations"),
    "no UTF-8": ("test", answers("Filename;ClassId\nщит.ppm;1".encode("cp1251")), "is not text in UTF-8: save it as"),
    "UTF-16 without its mark": (
        "test",
        answers("Filename;ClassId\n0.ppm;1".encode("utf-16-le")),
        "is not text in UTF-8: save it as UTF-8, in Excel as `CSV UTF-8`",
    ),
    "a decimal comma": ("test", answers("Filename;ClassId\n00000.ppm;1,0\n"), "'1,0' is not a class number: it needs"),
    "an open quote": ("test", answers('Filename;ClassId\n"00000.ppm;1\n'), "cannot be read as a table"),
    "a source that is none": ("test", answers(SHORT.format("somewhere")), "line 2: Source 'somewhere' is not of"),
    "another class's source": ("test", answers(SHORT.format("2/00001_00000.ppm")), "line 2: Source '2/00001_"),
}


@pytest.mark.parametrize("damage", GTSRB_DAMAGED)
def test_a_damaged_gtsrb_is_an_error_that_names_the_place(tmp_path: Path, damage: str) -> None:
    split, do, words = GTSRB_DAMAGED[damage]
    place = do(write_gtsrb(tmp_path))
    with pytest.raises((DamagedDataError, DataUnavailableError), match=re.escape(words)) as caught:
        gtsrb(tmp_path).load(split)
    assert str(place) in str(caught.value)
    other = {"train": "test", "test": "train"}[split]
    assert len(gtsrb(tmp_path).load(other)["x"])


def test_two_copies_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_gtsrb(tmp_path / name)
    with pytest.raises(DamagedDataError, match=r"holds two data sets, .*a/GTSRB/Training and .*b/GTSRB/Training: give"):
        gtsrb(tmp_path).load("train")
    assert len(gtsrb(tmp_path / "b").load("train")["x"]) == 4


def write_rtsd(root: Path, train: str = "5,17,5", test: str = "17,5", names: str = "5,2_1\n17,5_19_1\n") -> Path:
    """Pictures in train/ and test/ beside the tables; red is the picture's place."""
    for split, numbers in (("train", train), ("test", test)):
        lines = [f"00000{row}.png,{number}" for row, number in enumerate(numbers.split(","))]
        for row in range(len(lines)):
            paint(root / split / f"00000{row}.png", 10 * row)
        (root / f"gt_{split}.csv").write_text("\n".join(["filename,class_number", *lines, ""]))
    if names:
        (root / "numbers_to_classes.csv").write_text(f"class_number,sign_class\n{names}")
    return root


def test_rtsds_classes_are_the_sorted_numbers_called_as_the_table_says(tmp_path: Path) -> None:
    signs = rtsd(write_rtsd(tmp_path / "rtsd-r1").parent)
    assert signs.signature == Signature(input_shape=(3, 48, 48), outputs=2, classes=("2_1", "5_19_1"))
    train, test = signs.load("train"), signs.load("test")
    assert (train["y"].tolist(), test["y"].tolist()) == ([0, 1, 0], [1, 0])
    assert train["x"].shape == (3, 3, 48, 48)
    assert train["x"][:, 0, 20, 20].tolist() == [0, 10, 20]
    assert "group" not in train


@pytest.mark.parametrize(("names", "classes"), [("", ("5", "17")), ("17,stop\n3,left\n", ("5", "stop"))])
def test_a_class_without_a_name_is_called_by_its_number(tmp_path: Path, names: str, classes: tuple[str, ...]) -> None:
    assert rtsd(write_rtsd(tmp_path, names=names)).signature.classes == classes


def table(name: str, content: str) -> Callable[[Path], Path]:
    def do(root: Path) -> Path:
        (root / name).write_text(content)
        return root / name

    return do


def rows(name: str, *lines: str) -> Callable[[Path], Path]:
    return table(name, "\n".join(["filename,class_number", *lines]))


RTSD_DAMAGED: Damages = {
    "a cut picture": ("test", shortened("test/000001.png"), "as a picture"),
    "a missing picture": ("test", gone("test/000001.png"), "gt_test.csv line 3: picture '000001.png' is neither in"),
    "a picture outside": ("test", rows("gt_test.csv", "../x.png,5"), "line 2: picture '../x.png' lies outside"),
    "a picture at the disk's root": ("test", rows("gt_test.csv", "/x.png,5"), "line 2: picture '/x.png' lies outside"),
    "a picture twice": (
        "test",
        rows("gt_test.csv", "000000.png,5", "000000.png,17"),
        "line 3: filename '000000.png' is",
    ),
    "a class train has not": (
        "test",
        rows("gt_test.csv", "000000.png,6"),
        "line 2: class 6 is not among the classes of",
    ),
    "a class that is no number": ("test", rows("gt_test.csv", "000000.png,stop"), "line 2: class_number 'stop' is not"),
    "a negative class": (
        "train",
        rows("gt_train.csv", "000000.png,-3"),
        "line 2: class_number '-3' is not a class number",
    ),
    "a line without its class": ("train", rows("gt_train.csv", "000000.p"), "line 2: 1 values for the 2 columns"),
    "an empty table": ("train", table("gt_train.csv", ""), "lacks the column 'filename'"),
    "a header alone": ("test", rows("gt_test.csv"), "has no lines below its header"),
    "other columns": ("train", table("gt_train.csv", "file,label\na,1\n"), "lacks the column 'filename'"),
    "other marks": ("train", table("gt_train.csv", "filename|class_number\na|1\n"), "it needs filename,class_number"),
    "unquoted commas": ("train", table("gt_train.csv", "filename,class_number\na,b,1\n"), "a value has a comma and no"),
    "a web page": ("train", table("gt_train.csv", "<html>\nnot found</html>"), "lacks the column 'filename'"),
    "no table of train": (
        "train",
        gone("gt_train.csv"),
        "holds no gt_train.csv at any depth; it must hold gt_train.csv",
    ),
    "no table of test": ("test", gone("gt_test.csv"), "gt_test.csv is missing; it must hold gt_train.csv and"),
    "other columns of names": (
        "train",
        table("numbers_to_classes.csv", "a,b\n1,2\n"),
        "lacks the column 'class_number'",
    ),
    "two names": (
        "train",
        table("numbers_to_classes.csv", "class_number,sign_class\n5,a\n5,b"),
        "line 3: class_number '5'",
    ),
}


@pytest.mark.parametrize("damage", RTSD_DAMAGED)
def test_a_damaged_rtsd_is_an_error_that_names_the_place(tmp_path: Path, damage: str) -> None:
    split, do, words = RTSD_DAMAGED[damage]
    place = do(write_rtsd(tmp_path))
    with pytest.raises((DamagedDataError, DataUnavailableError), match=re.escape(words)) as caught:
        rtsd(tmp_path).load(split)
    assert str(place) in str(caught.value)


def test_an_empty_folder_says_what_it_must_hold(tmp_path: Path) -> None:
    for split in ("train", "test"):
        with pytest.raises(DataUnavailableError, match=r"it must hold, unpacked, Training/<5-digit class>"):
            gtsrb(tmp_path).load(split)
    with pytest.raises(DataUnavailableError, match=r"it must hold gt_train\.csv and gt_test\.csv"):
        rtsd(tmp_path)


def test_there_is_no_val_split_of_the_datas_own(tmp_path: Path) -> None:
    for signs in (gtsrb(write_gtsrb(tmp_path)), rtsd(write_rtsd(tmp_path))):
        with pytest.raises(UnknownSplitError):
            signs.load("val")


def refuse(path: Path, *_: object, **__: object) -> Any:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize(
    ("owner", "what", "place"),
    [
        (os, "open", "GT-final_test.csv"),
        (os, "scandir", ""),
        (Image, "open", "GTSRB/Final_Test/Images/00000.ppm"),
    ],
)
def test_what_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, what: str, place: str
) -> None:
    signs = gtsrb(write_gtsrb(tmp_path))
    monkeypatch.setattr(owner, what, refuse)  # root may read all files, so modes would not do
    with pytest.raises(ZooError, match=re.escape(f"{tmp_path / place} may not be read: change its permissions")):
        signs.load("test")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_in_every_form_in_which_spreadsheets_save_it(
    tmp_path: Path, mark: str, encoding: str, end: str
) -> None:
    root = write_rtsd(tmp_path)
    expected = rtsd(root).load("train")
    table = root / "gt_train.csv"
    table.write_bytes(table.read_text().replace(",", mark).replace("\n", end).encode(encoding))
    assert rtsd(root).load("train")["y"].tolist() == expected["y"].tolist()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_value_in_quotes_may_have_each_of_the_separators(tmp_path: Path, mark: str) -> None:
    lines = [f'"filename"{mark}"class_number"', f'"a b.png"{mark}3', f'"c,d;e.png"{mark}"4"', f'f.png{mark}"5"']
    (tmp_path / "t.csv").write_text("\n".join(lines))
    rows = read_table(tmp_path / "t.csv", ("filename", "class_number"), "")
    assert [(row.line, row["filename"], row.number("class_number")) for row in rows] == [
        (2, "a b.png", 3),
        (3, "c,d;e.png", 4),
        (4, "f.png", 5),
    ]


def test_a_table_may_have_the_backslashes_of_windows_and_composed_names_of_decomposed_files(tmp_path: Path) -> None:
    root = write_rtsd(tmp_path)
    (root / "train" / "e\u0301").mkdir()
    lines = (root / "gt_train.csv").read_text().splitlines()
    name, _, number = lines[1].partition(",")
    (root / "train" / name).rename(root / "train" / "e\u0301" / name)
    (root / "gt_train.csv").write_text("\n".join([lines[0], f"\u00e9\\{name},{number}", *lines[2:]]))
    assert len(rtsd(root).load("train")["y"]) == 3


def test_pictures_without_a_row_are_reported(tmp_path: Path) -> None:
    root = write_rtsd(tmp_path)
    lines = (root / "gt_train.csv").read_text().splitlines()
    (root / "gt_train.csv").write_text("\n".join(lines[:-1]))
    files = DatasetFiles(SPEC, root, offline=True)
    assert len(Rtsd(Context(data_root=root, dataset=SPEC, files=files)).load("train")["y"]) == 2
    assert [*files.left_out.values()] == ["no row in gt_train.csv"]


def test_signs_of_one_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match=r"gt_test\.csv: all 2 labels are class 1"):
        rtsd(write_rtsd(tmp_path / "russia", test="17,17")).load("test")
    germany = write_gtsrb(tmp_path / "germany")
    shutil.rmtree(next(germany.rglob("Training/00040")))
    with pytest.raises(DamagedDataError, match=r"train pictures .*all . labels are class 2"):
        gtsrb(germany).load("train")


def test_a_picture_of_a_sign_is_turned_upright(tmp_path: Path) -> None:
    root = write_rtsd(tmp_path)
    path = sorted((root / "train").iterdir())[0]
    pixels = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(path.with_suffix(".png"), exif=exif)
    path.with_suffix(".png").replace(path)
    assert np.array_equal(rtsd(root).load("train")["x"][0], pixels.transpose(2, 0, 1))
