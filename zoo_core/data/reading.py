"""Reads whole files of data, up to a limit; an error names the file and what to do about it."""

from __future__ import annotations

from pathlib import Path

from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.files import is_files_fault, read_regular
from zoo_core.quote import shorten as shorten

MAX_BYTES = 8 << 30
MAX_TEXT_BYTES = 64 << 20  # a parsed text takes up to twenty times its size in memory


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES, needs: str = "") -> bytes:
    """Read a file. It must be a regular one, so that a FIFO or a device never makes this wait.

    needs: what the data must hold, for the error of a missing file. Raises DataUnavailableError for a file that is
    missing or may not be read, DamagedDataError for any other fault of the file, OSError for the machine's.
    """
    try:
        return read_regular(path, max_bytes)
    except FileNotFoundError as error:
        raise DataUnavailableError(f"{path} is missing{f'; {needs}' if needs else ': fetch it again'}") from error
    except OSError as error:
        raise unreadable_file(path, error) from error


def unreadable_file(path: Path, error: OSError) -> DataUnavailableError | DamagedDataError:
    """Make the error for a file that cannot be read. Raises `error` itself if it is the machine's, such as EIO."""
    if not is_files_fault(error):
        raise error
    if isinstance(error, PermissionError):
        return DataUnavailableError(f"{path} may not be read: change its permissions")
    return DamagedDataError(f"{path} cannot be read ({error.strerror}): fetch it again, or remove it")


def read_text(path: Path, *, needs: str = "") -> str:
    """Read a text in UTF-8, with or without a mark at its begin. Raises as `read_bytes`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "names.txt").write_bytes(b"\xef\xbb\xbfcat\\n")
    ...     read_text(Path(folder, "names.txt"))
    'cat\\n'
    """
    try:
        text = read_bytes(path, max_bytes=MAX_TEXT_BYTES, needs=needs).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is not text in UTF-8: save it as UTF-8, or fetch it again") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")  # as Python's text files do
