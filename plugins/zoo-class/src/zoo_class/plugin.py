"""The command of this plugin: `zoo class`."""

from __future__ import annotations

from zoo_core import CommandSpec, hookimpl


@hookimpl
def zoo_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="class",
            help="Run and grade the submissions of a class, and build its boards.",
            entry="zoo_class.cli:app",
        )
    ]
