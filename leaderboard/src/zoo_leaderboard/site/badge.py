"""Badges: small SVG pictures with a task and its leading model, for a README."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from zoo_leaderboard.site.summary import TaskSummary
from zoo_leaderboard.text.formats import bare, clip, score
from zoo_leaderboard.text.labels import as_label

CHAR_WIDTH, PADDING, HEIGHT = 6.6, 8, 20  # pixels at 11 px
LEFT_COLOUR, RIGHT_COLOUR = "#444c56", "#0b5cad"  # white text on either has a contrast of more than 4.5


def badge_words(task: TaskSummary) -> str:
    """Return what a task's badge says: the leading model with metric, score, device and recipe, or why none leads."""
    devices = sorted({group.device_class for group in task.groups})
    groups = [group for device in devices if (group := task.shown_group(device)) is not None]
    if not groups:
        return "no score"
    group = next((group for group in groups if group.winner), groups[0])
    metric = clip(as_label(task.metric), 24)
    where = f"({clip(group.device_class, 10).upper()}, {clip(group.recipe_class, 10)} recipe)"
    if group.winner:
        return f"{clip(bare(group.winner.model), 30)}, {metric} {score(group.winner.score)} {where}"
    return f"not decided, best mean {metric} {score(group.current[0].score)} {where}"


def badge(left: str, right: str) -> str:
    """Return a badge with two texts as an SVG document."""
    left, right = clip(left, 40), clip(right, 110)
    first, second = (round(CHAR_WIDTH * len(text)) + 2 * PADDING for text in (left, right))
    whole, words = first + second, f"{left}: {right}"

    def part(text: str, x: int, width: int) -> str:
        length = width - 2 * PADDING
        fit = f'textLength="{length}" lengthAdjust="spacingAndGlyphs"'
        return f'<text x="{x + PADDING}" y="14" {fit}>{escape(text)}</text>'

    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{HEIGHT}" role="img" '
        f"aria-label={quoteattr(words)}><title>{escape(words)}</title>"
        f'<rect width="{whole}" height="{HEIGHT}" rx="4" fill="{LEFT_COLOUR}"/>'
        f'<path d="M{first} 0h{second - 4}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{second - 4}z" fill="{RIGHT_COLOUR}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{part(left, 0, first)}{part(right, first, second)}</g></svg>\n"
    )
