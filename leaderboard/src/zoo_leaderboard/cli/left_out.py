"""Says on standard error what a build of the site left out or renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.ui.console import messages
from zoo_core.ui.harmless import harmless

if TYPE_CHECKING:
    from zoo_leaderboard.site.build import Built


def print_left_out(built: Built) -> None:
    """List on standard error the unreadable files, what made a page fail, and a person's files with a new name."""
    lines = [f"left out {item.path}: {item.reason}" for item in built.unreadable]
    lines += [f"left out {what}, because a page could not be made: {reason}" for what, reason in built.failed]
    lines += [f"kept your {old} as {new.name}: its place is that of a page" for old, new in built.kept]
    for line in lines:
        messages().print(harmless(line), markup=False)
