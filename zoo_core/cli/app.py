"""The root command: the zoo's own commands, and those that plugins add, imported when they are called."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zoo_core import __version__
from zoo_core.cli import bench, data, doctor, listing, results, show
from zoo_core.errors import ZooError

USAGE, INTERRUPTED = 2, 130  # exit codes, beside 0 (all ok or skipped) and 1 (some trial failed)


class PluginGroup(TyperGroup):
    """Finds a command among the zoo's own first, then among the plugins'."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for spec in _plugin_commands():
            if spec.name == cmd_name:
                from zoo_core.specs import resolve

                command = typer.main.get_command(resolve(spec.entry))
                command.name, command.help, command.short_help = spec.name, spec.help, spec.help
                return command
        return None

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(spec.name for spec in _plugin_commands())]


def _plugin_commands() -> list[Any]:
    from zoo_core.registry import Registry

    return Registry.load().commands


app = typer.Typer(
    name="zoo",
    cls=PluginGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A zoo of deep-learning tasks: benchmark every model on every task, and rank what was measured.",
)
app.command("list")(listing.list_command)
app.command("show")(show.show_command)
app.command("bench")(bench.bench_command)
app.add_typer(results.app, name="results")
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.doctor_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A zoo of deep-learning tasks: benchmark every model on every task, and rank what was measured."""


def main() -> None:
    """Run the command line; what the zoo reports on purpose is one line and exit code 2."""
    try:
        app()
    except ZooError as error:
        from zoo_core.cli.console import complain

        complain(str(error))
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `zoo list | head`
        sys.stderr.close()
        sys.exit(0)
