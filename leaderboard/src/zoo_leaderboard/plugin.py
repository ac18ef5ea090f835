"""The commands of this plugin: `zoo leaderboard`, and three commands below `zoo results`."""

from __future__ import annotations

from zoo_core.hookspecs import hookimpl
from zoo_core.specs import CommandSpec


@hookimpl
def zoo_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="leaderboard",
            help="Build a web site from the records, serve it, or write its figures.",
            entry="zoo_leaderboard.cli.leaderboard:app",
        ),
        CommandSpec(
            name="compare",
            below="results",
            help="Compare two folders of records, or the last two occasions of one; use --fail-on regression in CI.",
            entry="zoo_leaderboard.cli.results:compare_command",
        ),
        CommandSpec(
            name="export",
            below="results",
            help="Write all trials as one CSV, JSON or Parquet file.",
            entry="zoo_leaderboard.cli.results:export_command",
        ),
        CommandSpec(
            name="merge",
            below="results",
            help="Copy the records of several folders into one; nothing is overwritten.",
            entry="zoo_leaderboard.cli.results:merge_command",
        ),
    ]
