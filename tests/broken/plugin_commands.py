"""The entry of its command does not exist."""

from zoo_core import CommandSpec, hookimpl


@hookimpl
def zoo_commands():
    return [CommandSpec(name="broken", help="Not there.", entry=f"{__name__}:no_such_function")]
