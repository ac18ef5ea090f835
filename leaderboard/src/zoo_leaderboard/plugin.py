"""What the leaderboard adds to the zoo: `zoo leaderboard`, and commands of `zoo results` that need its statistics."""

from __future__ import annotations

from zoo_core.hookspecs import hookimpl
from zoo_core.specs import CommandSpec


@hookimpl
def zoo_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="leaderboard",
            help="Turn the records into a site that opens from a file.",
            entry="zoo_leaderboard.cli.leaderboard:app",
        ),
        CommandSpec(
            name="compare",
            below="results",
            help="Compare two folders of records, model by model; --fail-on regression is for CI.",
            entry="zoo_leaderboard.cli.results:compare_command",
        ),
        CommandSpec(
            name="export",
            below="results",
            help="Write all trials as one CSV or JSON file.",
            entry="zoo_leaderboard.cli.results:export_command",
        ),
        CommandSpec(
            name="merge",
            below="results",
            help="Copy the records of several folders into one; an id that is there already is left alone.",
            entry="zoo_leaderboard.cli.results:merge_command",
        ),
    ]
