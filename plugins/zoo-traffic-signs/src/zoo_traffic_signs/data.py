"""The data sets: traffic signs of Germany (GTSRB) and of Russia (RTSD), from their pictures and tables."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import is_picture, list_images, read_images
from zoo_core.data.labels import require_two_classes
from zoo_core.data.names import composed
from zoo_core.data.reading import MAX_TEXT_BYTES, read_bytes, shorten
from zoo_core.data.walk import find_named, find_one, folders, walk

SIZE = (48, 48)
MEANINGS = (
    *("speed limit 20", "speed limit 30", "speed limit 50", "speed limit 60", "speed limit 70", "speed limit 80"),
    *("end of speed limit 80", "speed limit 100", "speed limit 120", "no overtaking", "no overtaking by lorries"),
    *("priority at next crossing", "priority road", "give way", "stop", "no vehicles", "no lorries", "no entry"),
    *("danger", "bend to the left", "bend to the right", "double bend", "bumpy road", "slippery road"),
    *("road narrows", "road works", "traffic lights", "pedestrians", "children", "bicycles", "snow", "wild animals"),
    *("end of all limits", "turn right", "turn left", "ahead only", "ahead or right", "ahead or left"),
    *("keep right", "keep left", "roundabout", "end of no overtaking", "end of no overtaking by lorries"),
)
TRAINING, PICTURES, ANSWERS = "Training", "Final_Test/Images", "GT-final_test.csv"
ARCHIVES = {
    TRAINING: "GTSRB-Training_fixed.zip",
    PICTURES: "GTSRB_Final_Test_Images.zip",
    ANSWERS: "GTSRB_Final_Test_GT.zip",
}
GTSRB_NEEDS = f"it must hold, unpacked, {TRAINING}/<5-digit class>/TRACK_FRAME.ppm, {PICTURES}/*.ppm and {ANSWERS}"
DELIMITERS = (",", ";", "\t")  # of a table; the first with which the header has all columns
RTSD_NEEDS = "it must hold gt_train.csv and gt_test.csv (filename,class_number) and the pictures in train/ and test/"
SAVE_AS_UTF8 = "save it as UTF-8, in Excel as `CSV UTF-8`"
FRAME = re.compile(r"([0-9]{5})_[0-9]{5}")  # of a file's name: its track
SOURCE = re.compile(r"([0-9]{1,5})/([0-9]{5})_[0-9]{5}\.[a-z]+")
TRACKS = 100_000  # more than a class can have in five digits


class Gtsrb:
    """GTSRB: x uint8 (n, 3, 48, 48), RGB, resized; y int64 (n,), 43 classes; group int64 (n,), one sign's pictures.

    Reads torchvision's layout at any depth. A test picture's track is that of the annotations' column `Source`, which
    the official ones lack: then test has no column `group`.
    Raises:
        DataUnavailableError: the training pictures, test pictures or annotations are not here, or may not be read.
        DamagedDataError: a picture cannot be read, has no annotation or an annotation no picture, or a wrong class; all
        pictures of a split are of one class.
    """

    signature = Signature(input_shape=(3, *SIZE), outputs=len(MEANINGS), classes=MEANINGS)

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def load(self, split: str) -> dict[str, Array]:
        if split == "train":
            paths, labels, tracks = training_files(self._find(TRAINING))
        elif split == "test":
            paths, labels, tracks = annotated_files(self._find(ANSWERS), self._find(PICTURES))
        else:
            raise UnknownSplitError(f"GTSRB has no split {split!r}")
        require_two_classes(np.asarray(labels), f"GTSRB's {split} pictures in {self._ctx.folder(ARCHIVES[TRAINING])}")
        columns = {"x": read_images(paths, SIZE), "y": np.asarray(labels, np.int64)}
        return {**columns, "group": np.asarray(tracks, np.int64)} if tracks else columns

    def _find(self, part: str) -> Path:
        return find_one(self._ctx.folder(ARCHIVES[part]), part, GTSRB_NEEDS)


class Rtsd:
    """RTSD's crops: x uint8 (n, 3, 48, 48), RGB, resized; y int64 (n,), in the order of `gt_train.csv`'s numbers.

    Pictures are in `train/` and `test/` beside the tables, or where the tables' paths lead from there. Classes are the
    numbers in `gt_train.csv`, ascending, called as `numbers_to_classes.csv` says or, without it, by number. Pictures
    without a row are left out.
    Raises:
        DataUnavailableError: a table is not here, or may not be read.
        DamagedDataError: a table is cut, a picture is missing or cannot be read, or test has a class train has not; all
        rows of a table are of one class.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._train = find_one(ctx.folder(), "gt_train.csv", RTSD_NEEDS)
        self._numbers = sorted({row.number("class_number") for row in self._rows("train")})
        classes = self._names()
        self.signature = Signature(input_shape=(3, *SIZE), outputs=len(classes), classes=classes)

    def load(self, split: str) -> dict[str, Array]:
        if split not in ("train", "test"):
            raise UnknownSplitError(f"RTSD has no split {split!r}")
        index = {number: label for label, number in enumerate(self._numbers)}
        paths, labels = [], []
        for row in self._rows(split):
            number = row.number("class_number")
            if number not in index:
                raise row.wrong(f"class {number} is not among the classes of {self._train.name}")
            labels.append(index[number])
            paths.append(self._picture(row, split))
        require_two_classes(np.asarray(labels), self._table(split))
        self._leave_out_others(split, paths)
        return {"x": read_images(paths, SIZE), "y": np.asarray(labels, np.int64)}

    def _rows(self, split: str) -> list[Row]:
        return read_table(self._table(split), ("filename", "class_number"), RTSD_NEEDS)

    def _table(self, split: str) -> Path:
        return self._train.with_name(f"gt_{split}.csv")

    def _leave_out_others(self, split: str, paths: Sequence[Path]) -> None:
        """Report the pictures of a split's folder that its table does not list."""
        home, listed = self._train.parent / split, {str(path) for path in paths}
        for name in walk(home).files if home.is_dir() else ():
            if is_picture(home / name) and str(home / name) not in listed:
                self._ctx.leave_out(home / name, f"no row in {self._table(split).name}")

    def _names(self) -> tuple[str, ...]:
        table = self._train.with_name("numbers_to_classes.csv")
        rows = read_table(table, ("class_number", "sign_class"), RTSD_NEEDS) if table.exists() else []
        names = {row.number("class_number"): row["sign_class"] for row in rows}
        return tuple(names.get(number, str(number)) for number in self._numbers)

    def _picture(self, row: Row, split: str) -> Path:
        name = PurePosixPath(row["filename"].replace("\\", "/"))  # Windows writes backslashes
        if name.is_absolute() or ".." in name.parts:
            raise row.wrong(f"picture {str(name)!r} lies outside the folder")
        home = self._train.parent
        for folder in (home / split, home):
            path = find_named(folder, str(name))
            if path is not None and path.is_file():
                return path
        raise row.wrong(f"picture {str(name)!r} is neither in {home / split} nor in {home}")


def training_files(folder: Path) -> tuple[list[Path], list[int], list[int]]:
    """The pictures below `Training`, their classes and tracks. Raises as `Gtsrb` does."""
    paths: list[Path] = []
    labels, tracks = [], []
    for inside in folders(folder):
        if not re.fullmatch("[0-9]{5}", inside.name) or int(inside.name) >= len(MEANINGS):
            raise DamagedDataError(f"{inside} is not named by a class from 00000 to 000{len(MEANINGS) - 1}: remove it")
        pictures = list_images(inside)
        if not pictures:
            raise DataUnavailableError(f"{inside} holds no pictures: fetch them again")
        for path in pictures:
            frame = FRAME.fullmatch(path.stem)
            if frame is None:
                raise DamagedDataError(f"{path} is not named TRACK_FRAME, five digits each: it does not tell its track")
            labels.append(int(inside.name))
            tracks.append(int(inside.name) * TRACKS + int(frame[1]))
        paths += pictures
    if not paths:
        raise DataUnavailableError(f"{folder} is empty; {GTSRB_NEEDS}")
    return paths, labels, tracks


def annotated_files(table: Path, folder: Path) -> tuple[list[Path], list[int], list[int]]:
    """The annotated pictures, their classes and, where the table tells them, their tracks.

    There may be no picture without an annotation.
    """
    pictures = {composed(path.name): path for path in list_images(folder)}
    paths, labels, tracks = [], [], []
    for row in read_table(table, ("Filename", "ClassId"), GTSRB_NEEDS):
        path, label = pictures.pop(composed(row["Filename"]), None), row.number("ClassId")
        if path is None:
            raise row.wrong(f"picture {row['Filename']!r} is not in {folder}")
        if label >= len(MEANINGS):
            raise row.wrong(f"class {label} is not one of 0 to {len(MEANINGS) - 1}")
        paths.append(path)
        labels.append(label)
        if "Source" in row.cells:
            tracks.append(_track(row, label))
    if pictures:
        raise DamagedDataError(f"{next(iter(pictures.values()))} is not among the annotations in {table}")
    return paths, labels, tracks


def _track(row: Row, label: int) -> int:
    """The group of a test picture."""
    source = SOURCE.fullmatch(row["Source"])
    if source is None or int(source[1]) != label:
        raise row.wrong(f"Source {row['Source']!r} is not of the form {label}/TRACK_FRAME.ppm")
    return label * TRACKS + int(source[2])


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: `cells` by column."""

    path: Path
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> int:
        """A class number: digits alone."""
        if not re.fullmatch("[0-9]{1,9}", self.cells[column]):
            raise self.wrong(f"{column} {self.cells[column]!r} is not a class number: it needs digits alone, such as 3")
        return int(self.cells[column])

    def wrong(self, problem: str) -> DamagedDataError:
        return DamagedDataError(f"{self.path} line {self.line}: {shorten(problem, 1000)}")


def read_table(path: Path, columns: tuple[str, ...], needs: str) -> list[Row]:
    """Read a table that has at least `columns`, separated by commas, semicolons or tabs, in UTF-8 or UTF-16.

    No two lines have the same value in the first column. Raises DataUnavailableError if the table is missing or may
    not be read, DamagedDataError naming the line.
    """
    text = _read_text(path, needs)
    try:
        headers = {delimiter: next(_parse(text, delimiter, strict=False), (0, []))[1] for delimiter in DELIMITERS}
        fitting = (delimiter for delimiter, header in headers.items() if set(columns) <= set(header))
        return _rows(path, columns, list(_parse(text, next(fitting, DELIMITERS[0]))))
    except csv.Error as error:
        raise DamagedDataError(f"{path} cannot be read as a table ({error}): save it again as CSV") from error


def _parse(text: str, delimiter: str, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not empty. strict: refuse wrong quotes."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict)
    return ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells)


def _read_text(path: Path, needs: str) -> str:
    content = read_bytes(path, max_bytes=MAX_TEXT_BYTES, needs=needs)
    try:
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is not text in UTF-8: {SAVE_AS_UTF8}") from error
    if "\0" in text:  # UTF-16 without its mark
        raise DamagedDataError(f"{path} is not text in UTF-8: {SAVE_AS_UTF8}")
    return text


def _rows(path: Path, columns: tuple[str, ...], lines: Iterable[tuple[int, list[str]]]) -> list[Row]:
    (_, header), *rest = lines or [(0, [])]
    missing = [column for column in columns if column not in header]
    if missing or not rest:
        problem = f"lacks the column {missing[0]!r}" if missing else "has no lines below its header"
        raise DamagedDataError(f"{path} {problem}: it needs {','.join(columns)} and a line for each picture")
    rows, seen = [], set()
    for line, cells in rest:
        row = Row(path, line, dict(zip(header, cells, strict=False)))
        if len(cells) != len(header):
            raise row.wrong(
                f"{len(cells)} values for the {len(header)} columns: it is cut, or a value has a comma and no quotes"
            )
        key = composed(row[columns[0]])
        if not key or key in seen:
            raise row.wrong(f"{columns[0]} {key!r} is {'there twice' if key else 'empty'}")
        seen.add(key)
        rows.append(row)
    return rows
