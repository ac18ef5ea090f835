"""The picture that a link to the board shows elsewhere: the leading models of a task, or of several tasks, as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from zoo_leaderboard.site.bars import WIDTH as BAR_WIDTH
from zoo_leaderboard.site.bars import Bar, bar_of, scale_of
from zoo_leaderboard.site.leaders import leader_lines
from zoo_leaderboard.site.summary import TaskSummary
from zoo_leaderboard.text.formats import bare, clip, counted, score
from zoo_leaderboard.text.labels import as_label, origin_label

WIDTH, HEIGHT = 1200, 630  # pixels, as Open Graph recommends
MAX_LINES = 6
INK, MUTED, LINK, GROUND, GRID = "#1a1d23", "#565d69", "#0b5cad", "#ffffff", "#d5d9e0"
MARGIN, FIRST_LINE, LINE_HEIGHT = 70, 250, 58
SCORE_X, BAR_X, BAR_SCALE = 660, 800, 2.2


@dataclass(frozen=True, kw_only=True, slots=True)
class CardLine:
    """A name with its score, and the interval on the axis of the card; None without one."""

    name: str
    score: str
    bar: Bar | None = None


def task_card(task: TaskSummary) -> str:
    """Return the card of a task as SVG: the first models of its first table with up-to-date scores."""
    devices = sorted({group.device_class for group in task.groups})
    group = next((found for device in devices if (found := task.shown_group(device)) is not None), None)
    about = f"{clip(as_label(task.metric), 40)}, {'higher' if task.higher_is_better else 'lower'} is better"
    if group is None:
        return _card(clip(task.title, 44), about, [], f"{task.counts.words}")
    shown = group.current[:MAX_LINES]
    ends = [value for place in shown for value in (place.score, place.low, place.high)]
    scale = scale_of(ends, metric=task.metric, higher_is_better=task.higher_is_better)
    lines = [
        CardLine(name=clip(bare(place.model), 34), score=score(place.score), bar=bar_of(place, scale))
        for place in shown
    ]
    where = f"{clip(group.dataset_title, 40)} ({origin_label(group.origin)}), {group.recipe_class} recipe"
    foot = f"{where}, {clip(group.device_class, 20).upper()}. Lines: 95 % CI. {task.counts.words}"
    return _card(clip(task.title, 44), about, lines, clip(foot, 120))


def index_card(tasks: Sequence[TaskSummary]) -> str:
    """Return the card of the index as SVG: the leading models of the first tasks."""
    found = [line for line in leader_lines(tasks) if line.best is not None]
    lines = []
    for line in found[:MAX_LINES]:
        best = line.best
        assert best is not None
        name = bare(best.model) if line.group is not None and line.group.winner else "not decided"
        lines.append(CardLine(name=clip(f"{line.task.title}: {name}", 38), score=score(best.score), bar=line.bar))
    models = len({name for task in tasks for name in task.models})
    return _card(
        "Zoo leaderboard",
        f"{counted(len(tasks), 'task')}, {counted(models, 'model')}",
        lines,
        "Leading models by task. Lines: 95 % CI; right is better.",
    )


def _card(title: str, about: str, lines: Sequence[CardLine], foot: str) -> str:
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{GROUND}"/><rect width="16" height="{HEIGHT}" fill="{LINK}"/>',
        _text(title, MARGIN, 120, 60, INK, weight="bold"),
        _text(about, MARGIN, 175, 30, MUTED),
        _text(foot, MARGIN, HEIGHT - 34, 22, MUTED),
    ]
    for number, line in enumerate(lines):
        y = FIRST_LINE + number * LINE_HEIGHT
        parts += [_text(line.name, MARGIN, y, 30, INK), _text(line.score, SCORE_X, y, 30, INK, weight="bold")]
        parts += [_drawn(line.bar, y - 10)] if line.bar is not None else []
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'


def _text(words: str, x: int, y: int, size: int, colour: str, *, weight: str = "normal") -> str:
    style = f'font-family="sans-serif" font-size="{size}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(words)}</text>'


def _drawn(bar: Bar, y: float) -> str:
    """The axis, the interval and the score of a line."""

    def at(x: float) -> str:
        return f"{BAR_X + x * BAR_SCALE:.1f}"

    axis = f'<path d="M{at(0)} {y}H{at(BAR_WIDTH)}" stroke="{GRID}" stroke-width="2"/>'
    interval = ""
    if bar.left is not None and bar.right is not None:
        ends = f"M{at(bar.left)} {y}H{at(bar.right)}"
        interval = f'<path d="{ends}" stroke="{LINK}" stroke-width="10" stroke-linecap="round" opacity=".45"/>'
    return f'{axis}{interval}<circle cx="{at(bar.at)}" cy="{y}" r="8" fill="{LINK}"/>'
