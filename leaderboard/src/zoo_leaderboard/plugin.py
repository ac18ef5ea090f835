"""What the leaderboard adds to the zoo: the command `zoo leaderboard`."""

from __future__ import annotations

from zoo_core.hookspecs import hookimpl
from zoo_core.specs import CommandSpec


@hookimpl
def zoo_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="leaderboard",
            help="Turn the records into a site that opens from a file.",
            entry="zoo_leaderboard.cli:app",
        )
    ]
