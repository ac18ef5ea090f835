"""Printing: tables that fit the terminal, plain aligned lines where there is none, JSON where it was asked for.

rich is imported only where it has something to do: what is piped is printed without it, a tenth of a second sooner.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from zoo_core.registry.plugins import FailedPlugin

UNLIMITED = 100_000  # columns: what is not a terminal cuts nothing


def output() -> Console:
    """Standard output."""
    return _console(sys.stdout)


def messages() -> Console:
    """Standard error, for progress and complaints."""
    return _console(sys.stderr)


def _console(file: Any) -> Console:
    from rich.console import Console

    terminal = bool(file.isatty())
    return Console(file=file, width=None if terminal else UNLIMITED, highlight=False, soft_wrap=not terminal)


def complain(message: str, label: str = "error: ", style: str = "bold red") -> None:
    """An error for a person, on standard error."""
    from rich.text import Text

    messages().print(Text.assemble((label, style), message))


def print_json(value: Any) -> None:
    """A value as JSON on standard output, untouched by the terminal's width."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Rows under their columns; numbers and words as they are, never read as markup."""
    if not sys.stdout.isatty():
        _print_plain(columns, [[_printable(str(cell)) for cell in row] for row in rows], title)
        return
    from rich.table import Table
    from rich.text import Text

    console = output()
    cells = [[cell if isinstance(cell, Text) else Text(_printable(str(cell))) for cell in row] for row in rows]
    if _is_narrow(console, columns, cells):
        _print_stacked(console, columns, cells, title)
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _printable(text: str) -> str:
    """Names come from files and plugins: what would steer a terminal is shown as `?`."""
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in text)


def _print_plain(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Aligned columns, nothing cut, for what is not a terminal."""
    lines = [columns, *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    sys.stdout.write("\n".join([title, *texts] if title else texts) + "\n")


def _is_narrow(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> bool:
    """Whether a table would have to break words: its longest words do not fit beside each other."""
    widths = [max(map(len, column.split()), default=0) for column in columns]
    for row in rows:
        first, *others = (cell.plain for cell in row)
        longest = [len(first), *(max(map(len, text.split()), default=0) for text in others)]
        widths = [max(pair) for pair in zip(widths, longest, strict=True)]
    return sum(widths) + 2 * len(widths) > console.width


def _print_stacked(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]], title: str) -> None:
    """A row as a few lines, its first cell above the others; for terminals too narrow for a table."""
    from rich.text import Text

    if title:
        console.print(title, style="italic", markup=False)
    for first, *others in rows:
        console.print(Text.assemble((first.plain, "bold")))
        for name, cell in zip(columns[1:], others, strict=True):
            console.print(Text.assemble((f"  {name}: ", "dim"), cell))


def print_failed_plugins(failed: Sequence[FailedPlugin]) -> None:
    """Name the plugins that could not be used, on standard error."""
    for plugin in failed:
        complain(f"{plugin.name} {plugin.version}: {plugin.reason}", "plugin did not load: ", "yellow")
    if failed:
        messages().print("`zoo doctor` shows where each of them failed")


def number(value: float | None, digits: int = 4) -> str:
    """A measured number, short; a dash where it is not known."""
    return "-" if value is None else f"{value:.{digits}g}"


def score_text(value: float | None) -> str:
    """A score: four decimals, more digits where it is small."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2e}"


def seconds_text(value: float | None) -> str:
    """Seconds as a person says them."""
    if value is None:
        return "-"
    if value < 100:
        return f"{value:.3g} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
