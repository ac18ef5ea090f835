"""The page of a task's mistakes: what its models get wrong, by example and by class, as tables and for the picker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.results.records import Record, TaskFacts
from zoo_leaderboard.board.mistakes import ClassMistakes, Mistakes, Numbers, by_class, mistakes_of
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.site.tiles import Tile, Tiles, copy_tiles
from zoo_leaderboard.text.documents import as_script
from zoo_leaderboard.text.formats import clip, score
from zoo_leaderboard.text.labels import as_label

MAX_TABLES = 8  # of a page
MAX_LINES = 24  # examples in a table of the page
MAX_CLASSES = 50  # of a table; the picker has all
MAX_CELLS = 16_000  # models x examples in the data of a page, over all its tables
MAX_ANSWERS = 3  # different wrong answers in a line


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleLine:
    """A test example: its number, picture, true class, how well the models do, and what they predict instead."""

    number: int
    tile: Tile | None
    truth: str
    result: str
    answers: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MistakesView:
    """What the models of one table get wrong.

    labels, seeds: of the models, best first. better: by model and other model, the number of examples on which the
    first beats the other. versus: lines of examples on which the first model beats the second, and the other way
    round; empty with one model. classes: the true classes with the names of those confused with them.
    """

    anchor: str
    name: str
    mistakes: Mistakes
    tiles: Tiles
    labels: Sequence[str]
    seeds: Sequence[int]
    better: Sequence[Sequence[int]]
    hardest: Sequence[ExampleLine]
    versus: Sequence[tuple[str, str, Sequence[ExampleLine]]]
    classes: Sequence[tuple[str, ClassMistakes, str]]
    class_names: Sequence[str]


def mistakes_views(
    groups: Sequence[tuple[Group, Sequence[Row]]],
    labels: Mapping[str, str],
    read: Callable[[TrialSummary], Record],
    folder: Path,
) -> list[MistakesView]:
    """Return the views of the up-to-date tables with results by example; pictures are copied into `folder`.

    labels: by the text of the row. read: reads a trial's record.
    """
    views: list[MistakesView] = []
    for group, rows in groups:
        if group.stale or len(views) == MAX_TABLES:
            continue
        trials_of = {row.row_text: group.ok(row.row_text) for row in rows}
        found = mistakes_of(rows, trials_of, higher_is_better=group.newest.higher_is_better)
        if found is None:
            continue
        newest = [trials_of[row.row_text][-1] for row in found.rows]
        record = read(newest[0])
        confusion = record.measured.tables.get("confusion")
        where = f"{record.recipe_class} recipe, {group.newest.device_class.upper()}"
        view = mistakes_view(
            found,
            anchor=group.anchor,
            name=clip(f"{clip(record.dataset.title, 60)}, {where}", 120),
            labels=labels,
            class_names=confusion.columns[1:] if confusion is not None else [],
            tiles=copy_tiles(newest, found.wrong_of_trial, read, folder, group.anchor),
        )
        views.append(view)
    return views


def mistakes_view(
    mistakes: Mistakes, *, anchor: str, name: str, labels: Mapping[str, str], class_names: Sequence[str], tiles: Tiles
) -> MistakesView:
    """Collect what the page shows of one table. `labels` are by the texts of the rows."""
    own = [labels[row.row_text] for row in mistakes.rows]
    names = [_class_name(number, class_names) for number in range(_classes(mistakes))]
    models = range(len(own))
    pairs = [(0, 1), (1, 0)] if len(own) > 1 else []

    def lines(numbers: Numbers) -> list[ExampleLine]:
        return [_line(mistakes, number, names, tiles) for number in numbers[:MAX_LINES].tolist()]

    return MistakesView(
        anchor=anchor,
        name=name,
        mistakes=mistakes,
        tiles=tiles,
        labels=own,
        seeds=[row.seed_count for row in mistakes.rows],
        better=[[len(mistakes.better(one, other)) for other in models] for one in models],
        hardest=lines(mistakes.hardest()),
        versus=[(own[one], own[other], lines(mistakes.better(one, other))) for one, other in pairs],
        classes=[
            (names[item.number], item, "" if item.confused is None else names[item.confused])
            for item in by_class(mistakes)
        ],
        class_names=names,
    )


def _classes(mistakes: Mistakes) -> int:
    """One more than the largest number of a true or predicted class."""
    known = [array for array in (mistakes.truth, mistakes.answers) if array is not None]
    return 1 + max((int(array.max()) for array in known), default=-1)


def _class_name(number: int, names: Sequence[str]) -> str:
    return clip(names[number], 40) if number < len(names) else str(number)


def _line(mistakes: Mistakes, number: int, names: Sequence[str], tiles: Tiles) -> ExampleLine:
    truth = None if mistakes.truth is None else int(mistakes.truth[number])
    return ExampleLine(
        number=number,
        tile=tiles.by_example.get(number),
        truth="" if truth is None else names[truth],
        result=_result(mistakes, number),
        answers=_answers(mistakes, number, names, truth),
    )


def _result(mistakes: Mistakes, number: int) -> str:
    if mistakes.is_right_or_wrong:
        return f"right: {int(mistakes.right[:, number].sum())} of {len(mistakes.rows)}"
    sign = 1 if mistakes.higher_is_better else -1
    return score(sign * float(mistakes.scores[:, number].mean()))


def _answers(mistakes: Mistakes, number: int, names: Sequence[str], truth: int | None) -> str:
    """The wrong answers, most frequent first: `7 (3 models), 2`."""
    if mistakes.answers is None:
        return ""
    counts = Counter(answer for answer in mistakes.answers[:, number].tolist() if answer != truth)
    words = [
        f"{names[answer]} ({count} models)" if count > 1 else names[answer]
        for answer, count in counts.most_common(MAX_ANSWERS)
    ]
    return ", ".join(words) + (" …" if len(counts) > MAX_ANSWERS else "")


def mistakes_script(slug: str, task: TaskFacts, views: Sequence[MistakesView]) -> str:
    """The results by example for the picker of the page, of a limited size."""
    cells = MAX_CELLS // max(1, len(views))
    value = {"title": clip(task.title, 80), "metric": clip(as_label(task.metric), 40)}
    return as_script("mistakes", slug, {**value, "groups": [_picked(view, cells) for view in views]})


def _picked(view: MistakesView, cells: int) -> dict[str, Any]:
    """Columns of equal length: `scores` and `answers` have one list for each model."""
    mistakes = view.mistakes
    numbers = mistakes.most_informative(max(1, cells // len(view.labels)))
    scores = mistakes.scores[:, numbers] * (1 if mistakes.higher_is_better else -1)
    tiles = [view.tiles.by_example.get(number) for number in numbers.tolist()]
    return {
        "anchor": view.anchor,
        "name": view.name,
        "labels": list(view.labels),
        "binary": mistakes.is_right_or_wrong,
        "higher": mistakes.higher_is_better,
        "examples": mistakes.examples,
        "complete": len(numbers) == len(mistakes.some_wrong()),
        "better": [list(row) for row in view.better],
        "classes": list(view.class_names),
        "numbers": numbers.tolist(),
        "scores": [[_short(value) for value in row] for row in scores.tolist()],
        "truth": None if mistakes.truth is None else mistakes.truth[numbers].tolist(),
        "answers": None if mistakes.answers is None else mistakes.answers[:, numbers].tolist(),
        "sheets": [[sheet.file, sheet.width, sheet.height] for sheet in view.tiles.sheets],
        "side": view.tiles.side,
        "tiles": [[tile.sheet, tile.x, tile.y] if tile else 0 for tile in tiles],
    }


def _short(value: float) -> float | int:
    """Three digits; a whole number without a point."""
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
