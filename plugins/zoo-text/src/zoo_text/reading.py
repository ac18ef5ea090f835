"""Finds and reads files of text: UTF-8, or UTF-16 and UTF-32 with a byte order mark, in blocks of bounded memory."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo_core import Context, DamagedDataError, DataUnavailableError
from zoo_core.data.names import natural_key
from zoo_core.data.reading import unreadable_file
from zoo_core.data.walk import find_one, walk

SUFFIXES = (".txt", ".text")
ABOUT = ("readme", "license", "licence", "copying")  # files about the data, by their names without the suffix
NEEDS = f"give --data-root a text file, or a folder or archive with texts ({', '.join(SUFFIXES)})"
BLOCK_BYTES = 1 << 22
# The marks of UTF-32 come first: that of UTF-32-LE begins with that of UTF-16-LE.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def find_texts(ctx: Context) -> list[Path]:
    """List the texts of the user's data root: itself, or all files `.txt` and `.text` below it, numbers by value.

    Files about the data, such as README.txt, and empty files are left out. Raises DataUnavailableError if none is left.
    """
    if is_single_file(ctx.data_root):
        assert ctx.data_root is not None
        return [ctx.data_root]
    root = ctx.folder()
    texts = []
    for name in sorted(walk(root).files, key=natural_key):
        path = root / name
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem.lower() in ABOUT:
            ctx.leave_out(path, "about the data, by its name")
        elif not path.stat().st_size:
            ctx.leave_out(path, "empty file")
        else:
            texts.append(path)
    if not texts:
        raise DataUnavailableError(f"{root} holds no text: {NEEDS}")
    return texts


def find_text(ctx: Context, names: Sequence[str]) -> Path:
    """Return the user's file, or the one file below the data root that has one of the names, the first name first.

    Without a data root, the first name is that of a download. Raises DataUnavailableError, DamagedDataError for two
    different files of a name.
    """
    if is_single_file(ctx.data_root):
        assert ctx.data_root is not None
        return ctx.data_root
    if ctx.data_root is None:
        return ctx.file(names[0])
    root = ctx.folder()
    below = {name.rpartition("/")[2] for name in walk(root).files}
    for name in names:
        if name in below:
            return find_one(root, name, NEEDS)
    raise DataUnavailableError(f"{root} holds no {' and no '.join(names)}: {NEEDS}")


def is_single_file(root: Path | None) -> bool:
    """Return whether the data root is a text file rather than a folder or an archive."""
    return root is not None and root.suffix.lower() in SUFFIXES and root.is_file()


def read_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[str]:
    """Yield the characters of a text in blocks; line ends become `\\n`, and a byte order mark is left out.

    Raises DamagedDataError if the file is empty, holds a NUL, or is not in UTF-8, nor in UTF-16 or UTF-32 with a mark;
    the message names the place in bytes and the command that converts the file. Raises DataUnavailableError if it may
    not be read.
    """
    try:
        with path.open("rb") as file:
            yield from _decode(file, path, block_bytes)
    except OSError as error:
        raise unreadable_file(path, error) from error


def read_text(path: Path, max_bytes: int) -> str:
    """Read a whole text as `read_blocks` does. Raises DamagedDataError also for more than `max_bytes`."""
    size = path.stat().st_size
    if size > max_bytes:
        raise DamagedDataError(f"{path} has {size:,} bytes, over the limit of {max_bytes:,}: cut it, as with `head -c`")
    return "".join(read_blocks(path))


def _decode(file: io.BufferedReader, path: Path, block_bytes: int) -> Iterator[str]:
    block = file.read(block_bytes)
    if not block:
        raise DamagedDataError(f"{path} is empty: {NEEDS}")
    encoding = next((name for mark, name in MARKS if block.startswith(mark)), "utf-8")
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = io.IncrementalNewlineDecoder(None, translate=True)  # "\r\n" may lie across two blocks
    place = 0  # of the block, in bytes
    while True:
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise _not_text(path, encoding, place - pending + error.start) from error
        if "\0" in text:
            raise _with_nul(path, encoding, place - pending, text)
        yield lines.decode(text, final=not block)
        if not block:
            return
        place += len(block)
        block = file.read(block_bytes)


def _not_text(path: Path, encoding: str, place: int) -> DamagedDataError:
    name = encoding.removesuffix("-sig").upper()
    if name != "UTF-8":
        return DamagedDataError(f"{path} is not valid {name} at byte {place:,}: fetch or save it again")
    return DamagedDataError(
        f"{path} is not text in UTF-8 at byte {place:,}: convert it, as with "
        f"`iconv -f LATIN1 -t UTF-8 {path.name} > utf8.txt`, with the encoding that it has"
    )


def _with_nul(path: Path, encoding: str, start: int, text: str) -> DamagedDataError:
    plain = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    place = start + len(text[: text.index("\0")].encode(plain))
    advice = "it is no text, or UTF-16 without a mark: `iconv -f UTF-16LE -t UTF-8` converts such a file"
    return DamagedDataError(f"{path} holds a NUL character near byte {place:,}: {advice}")
