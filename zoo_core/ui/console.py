"""Printing: tables that fit the terminal, aligned lines if the output is not a terminal, and JSON.

Importing rich takes 0.1 s, so only output to a terminal imports it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.ui.formats import align_rows
from zoo_core.ui.harmless import harmless, harmless_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    from zoo_core.registry.plugins import FailedPlugin

UNLIMITED_COLUMNS = 100_000  # the width of output that is not a terminal, so that nothing is cut


def output() -> Console:
    """Return a console on standard output."""
    return _console(sys.stdout)


def messages() -> Console:
    """Return a console on standard error, for progress and errors."""
    return _console(sys.stderr)


def say(message: str, *, err: bool = False) -> None:
    """Print a line as it is, also on a narrow terminal: what a person or a program copies, such as a path."""
    print(harmless(message), file=sys.stderr if err else sys.stdout, flush=True)


def _console(file: Any) -> Console:
    """Return a console that prints strings as they are: without markup, emoji codes and escape sequences."""
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, *args: Any, **options: Any) -> Text:
            return super().render_str(harmless(text), *args, **options)

        def render(self, *args: Any, **options: Any) -> Iterator[Segment]:
            """Also pieces of `Text` objects, tables and progress bars, which come here ready to print."""
            for piece in super().render(*args, **options):
                yield piece if piece.control else piece._replace(text=harmless(piece.text))

        def on_broken_pipe(self) -> None:
            """Let the caller handle the BrokenPipeError; rich would end the program."""
            raise

    terminal = bool(file.isatty())
    width = None if terminal else UNLIMITED_COLUMNS
    return PlainConsole(file=file, width=width, highlight=False, markup=False, emoji=False, soft_wrap=not terminal)


def complain(message: str, label: str = "error: ", style: str = "bold red") -> None:
    """Print an error or a warning on standard error. Nothing happens if standard error is lost."""
    from rich.text import Text

    with contextlib.suppress(OSError):
        messages().print(Text.assemble((label, style), harmless(message)))


def open_missing_streams() -> None:
    """Open standard streams that the caller closed, as `>&-` does, so that no other file gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def accept_any_text() -> None:
    """Let the output streams write characters that their encoding lacks as escapes, such as `\\u0436`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # tests replace it
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def printing_at_the_end() -> Iterator[None]:
    """Print what a command has to say when its work is saved: a reader that has gone, as `head -1`, changes nothing.

    Raises UsageError if the output cannot be written for another reason, such as a full disk.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        drop_output(sys.stdout)
        if not is_gone(error):
            raise UsageError(f"the output cannot be written ({error.strerror}), but the work is done") from error


def finish_output() -> None:
    """Write what the standard streams still hold. Python itself would report a lost stream as exit code 120.

    Raises UsageError if standard output cannot be written, unless its reader has gone.
    """
    try:
        sys.stderr.flush()
    except OSError:
        drop_output(sys.stderr)
    try:
        sys.stdout.flush()
    except OSError as error:
        drop_output(sys.stdout)
        if not is_gone(error):
            raise UsageError(f"the output cannot be written: {error.strerror}") from error


def is_gone(error: OSError) -> bool:
    """Return whether the pipe or terminal that should show the output has gone: then nobody misses it."""
    return error.errno in (errno.EPIPE, errno.EIO)


def drop_output(stream: Any) -> None:
    """Send what a stream still holds, and all that follows, to nowhere: Python would write it again at its end."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output, without wrapping; in ASCII unless the stream takes UTF-8."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(harmless_json(json.dumps(value, indent=1, ensure_ascii=ascii_only, default=str)) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows below their column names. Nothing is read as markup."""
    columns, title = list(map(harmless, columns)), harmless(title)
    if not sys.stdout.isatty():
        lines = align_rows([columns, *([harmless(str(cell)) for cell in row] for row in rows)])
        sys.stdout.write("\n".join([title, *lines] if title else lines) + "\n")
        return
    from rich.table import Table
    from rich.text import Text

    console = output()
    cells = [[cell if isinstance(cell, Text) else Text(harmless(str(cell))) for cell in row] for row in rows]
    if _is_narrow(console, columns, cells):
        _print_stacked(console, columns, cells, title)
        return
    table = Table(
        title=Text(title) if title else None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for number, column in enumerate(columns):
        table.add_column(Text(column), overflow="fold", no_wrap=number == 0)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _is_narrow(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> bool:
    """Return whether the longest words of the columns do not fit side by side, so that a table would break words."""
    widths = [max(map(len, column.split()), default=0) for column in columns]
    for row in rows:
        first, *others = (cell.plain for cell in row)
        longest = [len(first), *(max(map(len, text.split()), default=0) for text in others)]
        widths = [max(pair) for pair in zip(widths, longest, strict=True)]
    return sum(widths) + 2 * len(widths) > console.width


def _print_stacked(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]], title: str) -> None:
    """Print each row as a few lines, its first cell on top, on a terminal that is too narrow for a table."""
    from rich.text import Text

    if title:
        console.print(title, style="italic", markup=False)
    for first, *others in rows:
        console.print(Text.assemble((first.plain, "bold")))
        for name, cell in zip(columns[1:], others, strict=True):
            console.print(Text.assemble((f"  {name}: ", "dim"), cell))


def print_failed_plugins(failed: Sequence[FailedPlugin]) -> None:
    """Name the plugins that failed to load, on standard error."""
    for plugin in failed:
        complain(f"{plugin.name} {plugin.version}: {plugin.reason}", "plugin did not load: ", "yellow")
    if failed:
        messages().print("`zoo doctor` shows the full traceback of each")
