"""What belongs to a result beside its scores: tables, results by example, pictures, texts, limited in number and size.

A score must not be lost because of a picture: what is wrong, too large or cannot be written is left out by its name.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from zoo_core.errors import MachineError, machine_error_of
from zoo_core.pictures import png
from zoo_core.reasons import reason_of
from zoo_core.results.records import TableFacts
from zoo_core.runner.limits import cut, name_problem, shown

MIB = 1 << 20
MAX_ARTIFACT_BYTES = 16 * MIB
MAX_ALL_PICTURES_BYTES, MAX_PICTURES = 64 * MIB, 100
MAX_TEXT_BYTES, MAX_ALL_TEXTS_BYTES, MAX_TEXTS = 64 << 10, MIB, 100
MAX_DECODED_BYTES = 256 * MIB  # of a file before it is compressed
MAX_TABLES, MAX_CELLS, MAX_TABLES_BYTES = (
    50,
    250_000,
    2 * MIB,
)  # all tables of a trial; a confusion matrix of 500 classes
MAX_LEFT_OUT = 100
TRACE = "trace.json.gz"
RESERVED = ("file", "allow_pickle")  # parameters of `np.savez_compressed`, which takes the arrays by name


class _LeaveOutError(Exception):
    """The reason why an artifact is left out."""


class Artifacts:
    """Writes a trial's artifacts to its staging folder.

    left_out: name of each artifact that is missing -> reason. fault: the machine's, such as a full disk; "" for none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._picture_bytes = self._text_bytes = self._table_bytes = self._cells = 0
        self.per_example = ""
        self.pictures: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.tables: dict[str, TableFacts] = {}
        self.left_out: dict[str, str] = {}
        self.fault = ""
        self.trace = ""
        self._pictures_seen = 0

    @contextlib.contextmanager
    def leaving_out(self, what: str) -> Iterator[None]:
        """Leave `what` out if the block raises anything, with the reason."""
        try:
            yield
        except _LeaveOutError as error:
            self._leave_out(what, str(error))
        except (Exception, SystemExit) as error:
            fault = machine_error_of(error)
            if fault is not None:
                self.fault = self.fault or str(fault)
            self._leave_out(what, str(fault or reason_of(error)))

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield the path of a file to write. Raises MachineError if it cannot be written; no part remains."""
        path = self._folder / name
        try:
            if not self._folder.is_dir():
                raise MachineError("the results folder was moved or removed during the trial: leave it there")
            yield path
        except Exception as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            fault = machine_error_of(error)
            if fault is None and isinstance(error, OSError):
                fault = MachineError(f"{name} cannot be written ({error.strerror}): check the results folder")
            raise fault or error from error

    def keep_tables(self, tables: Mapping[str, Any]) -> None:
        """Keep the tables of an evaluation, with numbers of numpy and torch as Python's."""
        with self.leaving_out("tables"):
            for name, table in tables.items():
                with self.leaving_out(f"table {shown(name)}"):
                    _require_name(name)
                    self._require_room("tables", len(self.tables) + 1, MAX_TABLES)
                    self.tables[name] = self._table(table)

    def keep_per_example(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Write the arrays as one `.npz` file; those of objects, which would need pickle, are left out."""
        kept: dict[str, np.ndarray[Any, Any]] = {}
        with self.leaving_out("per-example results"):
            for name, array in arrays.items():
                with self.leaving_out(f"per-example results {shown(name)}"):
                    _require_name(name)
                    if name in RESERVED or "/" in name or "\\" in name:
                        raise _LeaveOutError("its name cannot be that of an array in a file")
                    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
                        raise _LeaveOutError("it holds objects; only arrays of numbers can be kept")
                    kept[name] = array
            self._require_room("bytes", sum(array.nbytes for array in kept.values()), MAX_ARTIFACT_BYTES)
            if kept:
                buffer = io.BytesIO()
                np.savez_compressed(buffer, **kept)  # type: ignore[arg-type]
                self._write("per_example.npz", buffer.getvalue())
                self.per_example = "per_example.npz"

    def keep_pictures(self, pictures: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Write each picture, uint8 (height, width, 3), as a PNG file. The file name is a number, never the name."""
        encoded: dict[int, bytes] = {}  # by the id of a picture, which may have several names
        with self.leaving_out("pictures"):
            kept = dict(pictures)  # an id means one picture only while the picture exists
            for name, picture in kept.items():
                number, self._pictures_seen = self._pictures_seen, self._pictures_seen + 1
                with self.leaving_out(f"picture {shown(name)}"):
                    _require_name(name)
                    self._require_room("pictures", number + 1, MAX_PICTURES)
                    content = encoded.get(id(picture)) or self._encoded(picture)
                    encoded[id(picture)] = content
                    total = self._picture_bytes + len(content)
                    self._require_room("bytes with the pictures before", total, MAX_ALL_PICTURES_BYTES)
                    self._write(f"picture-{number}.png", content)
                    self._picture_bytes = total
                    self.pictures[name] = f"picture-{number}.png"

    def keep_texts(self, texts: Mapping[str, str]) -> None:
        """Write each text as a file in UTF-8. The file name is a number, never the name."""
        with self.leaving_out("texts"):
            for number, (name, text) in enumerate(texts.items()):
                with self.leaving_out(f"text {shown(name)}"):
                    _require_name(name)
                    self._require_room("texts", number + 1, MAX_TEXTS)
                    content = self._text(text)
                    self._write(f"text-{number}.txt", content)
                    self._text_bytes += len(content)
                    self.texts[name] = f"text-{number}.txt"

    def keep_trace(self, content: bytes, raw_bytes: int) -> None:
        """Write the trace of a profile, which is compressed. raw_bytes: its size before that."""
        with self.leaving_out("trace"):
            self._require_room("bytes before compression", raw_bytes, MAX_DECODED_BYTES)
            self._require_room("bytes", len(content), MAX_ARTIFACT_BYTES)
            self._write(TRACE, content)
            self.trace = TRACE

    def _table(self, table: Any) -> TableFacts:
        width, rows = len(table.columns), len(table.rows)
        self._require_room("cells", self._cells + width * rows, MAX_CELLS)
        for number, row in enumerate(table.rows):
            if len(row) != width:
                raise _LeaveOutError(f"row {number} has {len(row)} cells, not {width}")
        columns = [str(column) for column in table.columns]
        content = msgspec.json.encode(TableFacts(columns=columns, rows=[*map(_json_row, table.rows)]))
        self._require_room("bytes", self._table_bytes + len(content), MAX_TABLES_BYTES)
        self._cells += width * rows
        self._table_bytes += len(content)
        return msgspec.json.decode(content, type=TableFacts)  # NaN became None, as in the record

    def _text(self, text: Any) -> bytes:
        if not isinstance(text, str):
            raise _LeaveOutError(f"it is {cut(type(text).__name__, 200)}, not a text")
        self._require_room("characters", len(text), MAX_TEXT_BYTES)  # before they are encoded
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise _LeaveOutError(f"its character {error.start} is half of a surrogate pair") from error
        self._require_room("bytes", len(content), MAX_TEXT_BYTES)
        self._require_room("bytes with the texts before", self._text_bytes + len(content), MAX_ALL_TEXTS_BYTES)
        return content

    def _encoded(self, picture: Any) -> bytes:
        is_array = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
        if not is_array or picture.shape[2] != 3 or not picture.size:
            form = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
            raise _LeaveOutError(f"it is {cut(form, 200)}, not uint8 (height, width, 3)")
        self._require_room("bytes before compression", picture.nbytes, MAX_DECODED_BYTES)
        content = png(picture)
        self._require_room("bytes", len(content), MAX_ARTIFACT_BYTES)
        return content

    def _write(self, name: str, content: bytes) -> None:
        with self.writing(name) as path:
            path.write_bytes(content)

    def _require_room(self, what: str, size: int, limit: int) -> None:
        if size > limit:
            raise _LeaveOutError(f"{size:,} {what}, over the limit of {limit:,}")

    def _leave_out(self, what: str, reason: str) -> None:
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out[what] = cut(reason, 500)
        else:
            self.left_out["others"] = "more artifacts than are named here"


def _require_name(name: object) -> None:
    if problem := name_problem(name):
        raise _LeaveOutError(problem)


def _json_row(row: Any) -> list[Any]:
    """Convert the numpy and torch numbers in a table's row to Python numbers, for JSON."""
    return [cell.item() if hasattr(cell, "item") else cell for cell in row]
