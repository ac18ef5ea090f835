"""Draws the learning curves of a submission beside the class's targets, as SVG without any text of a student."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from zoo_class.settings import Target
from zoo_core.results.records import Record
from zoo_core.ui.formats import format_number

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 260, 60, 30, 12


def draw_curves(records: Sequence[Record], targets: Sequence[Target], metric: str) -> str:
    """Return an SVG picture of the val scores by step, one line for each seed; "" without any."""
    lines = [
        [(point.step, point.val_score) for point in record.curve if point.val_score is not None] for record in records
    ]
    lines = [line for line in lines if len(line) > 1]
    if not lines:
        return ""
    values = [value for line in lines for _, value in line] + [target.score for target in targets]
    low, high = min(values), max(values)
    low, high = (low - 1, high + 1) if low == high else (low, high)
    last = max(line[-1][0] for line in lines)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * step / last

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [f'<line class="axis" x1="{LEFT}" y1="{y(low):.1f}" x2="{WIDTH}" y2="{y(low):.1f}"/>']
    parts += [
        f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{format_number(value)}</text>'
        for value in (low, high)
    ]
    parts.append(f'<text x="{WIDTH - 10}" y="{HEIGHT - 8}" text-anchor="end">step {last:,}</text>')
    for target in targets:
        level = y(target.score)
        parts.append(f'<line class="target" x1="{LEFT}" y1="{level:.1f}" x2="{WIDTH}" y2="{level:.1f}"/>')
        parts.append(f'<text x="{LEFT + 6}" y="{level - 4:.1f}">{escape(target.name)}</text>')
    for line in lines:
        points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in line)
        parts.append(f'<polyline class="curve" points="{points}"/>')
    label = f"{metric} on val by step, beside the targets"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
