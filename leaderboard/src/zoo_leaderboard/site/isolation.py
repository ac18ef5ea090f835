"""Makes pages of records that come from anyone: a record that cannot be shown costs its own place, not the site.

Known oddities are refused when records are read. This is for the others: an error while a page is made is traced to the
record, or task, without which the page can be made, and that one is left out with the error as the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from zoo_core.results.reading import error_words

MAX_CULPRITS = 10  # of one page; with more, all of it is left out

T = TypeVar("T")
R = TypeVar("R")


def is_of_content(error: BaseException) -> bool:
    """Return whether an error may come from what is shown, and not from the machine or from Ctrl-C.

    A panic in the library that draws is no `Exception`.
    """
    machine = isinstance(error, OSError | MemoryError) or not isinstance(error, Exception)
    return not machine or type(error).__name__ == "PanicException"


def failure_words(error: BaseException) -> str:
    """Return an error as the reason why something is not shown."""
    return f"it cannot be shown, {type(error).__name__}: {error_words(error)}"


def make_without_culprits(make: Callable[[Sequence[T]], R], items: Sequence[T]) -> tuple[R | None, list[tuple[T, str]]]:
    """Call `make` with the items, or with those of them that it can be made of.

    Returns its value, None if it cannot be made of any, and the items that were left out, with the reasons. `make` is
    called again with fewer items after an error; the last call returns, or all items are left out.
    """
    rest = list(items)
    left_out: list[tuple[T, str]] = []
    while rest:
        try:
            return make(rest), left_out
        except BaseException as error:
            if not is_of_content(error):
                raise
            found = _find_culprit(make, rest, error) if len(left_out) < MAX_CULPRITS else None
            if found is None:
                return None, [*left_out, *((item, failure_words(error)) for item in rest)]
        number, reason = found
        left_out.append((rest.pop(number), reason))
    return None, left_out


def _find_culprit(make: Callable[[Sequence[T]], R], items: Sequence[T], error: BaseException) -> tuple[int, str] | None:
    """Halve the items while one half fails too; None if they fail only together."""
    first, last = 0, len(items)
    while last - first > 1:
        middle = (first + last) // 2
        halves = ((start, end, _failure(make, items[start:end])) for start, end in ((first, middle), (middle, last)))
        failing = next((half for half in halves if half[2] is not None), None)
        if failing is None:
            return None
        first, last, error = failing[0], failing[1], failing[2] or error
    return first, failure_words(error)


def _failure(make: Callable[[Sequence[T]], R], items: Sequence[T]) -> BaseException | None:
    try:
        make(items)
    except BaseException as error:
        if not is_of_content(error):
            raise
        return error
    return None
