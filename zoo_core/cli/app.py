"""The root command: the zoo's own commands and those of plugins. Each command is imported only when it is called."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zoo_core.entries import resolve_entry
from zoo_core.errors import (
    INTERRUPTED,
    USAGE,
    EntryError,
    UnknownNameError,
    UsageError,
    ZooError,
    machine_error_of,
    near_names,
)
from zoo_core.specs import CommandSpec

# Options whose value may be missing, by command: their values, the default first. Typer has no such options.
OPTIONAL_VALUES = {"bench": {"--profile": ("time", "memory")}}
OWN_COMMANDS = (
    CommandSpec(
        name="list",
        help="List tasks, models, data sets, plugins, loggers, executors, or the pairs that `zoo bench --all` runs.",
        entry="zoo_core.cli.listing:list_command",
    ),
    CommandSpec(
        name="show",
        help="Show everything that the zoo knows of a task, model, data set or plugin.",
        entry="zoo_core.cli.show:show_command",
    ),
    CommandSpec(
        name="bench",
        help="Train and measure models. Trials that are recorded already do not run again.",
        entry="zoo_core.cli.bench:bench_command",
    ),
    CommandSpec(
        name="check",
        help="Check plugins, tasks, data sets and models against the rules of the zoo.",
        entry="zoo_core.cli.check:check_command",
    ),
    CommandSpec(
        name="new",
        help="Write a new plugin package from a template: a model, a data set, a task or a larger plugin.",
        entry="zoo_core.cli.new:new_command",
    ),
    CommandSpec(
        name="eval",
        help="Score a saved model on the test split.",
        entry="zoo_core.cli.reuse:eval_command",
    ),
    CommandSpec(
        name="predict",
        help="Run a saved model on files, such as images.",
        entry="zoo_core.cli.reuse:predict_command",
    ),
    CommandSpec(
        name="export",
        help="Write a saved model into an ONNX, torch.export or safetensors file, and check the file.",
        entry="zoo_core.cli.export:export_command",
    ),
    CommandSpec(
        name="inspect",
        help="Draw what a saved model does inside: Grad-CAM, feature maps, and the images that most activate a layer.",
        entry="zoo_core.cli.inspect:inspect_command",
    ),
    CommandSpec(
        name="verify",
        help="Run the experiments of records again, and compare the results bit for bit.",
        entry="zoo_core.cli.verify:verify_command",
    ),
    CommandSpec(
        name="results",
        help="List, show, remove and import records. Without a subcommand, list them.",
        entry="zoo_core.cli.results:app",
    ),
    CommandSpec(
        name="data", help="List and download data sets, and show where their files are.", entry="zoo_core.cli.data:app"
    ),
    CommandSpec(
        name="doctor",
        help="Show versions, devices, threads, the cache, and why plugins did not load.",
        entry="zoo_core.cli.doctor:doctor_command",
    ),
)


class SuggestingGroup(TyperGroup):
    """Suggests similar names for an unknown subcommand or option."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if type(error).__name__ == "NoSuchOption":  # typer has no public name for it
                raise _unknown_option(error) from None
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UnknownNameError("command", args[0], self.list_commands(ctx), hint=f"`{ctx.command_path} --help`")
        name, command, rest = super().resolve_command(ctx, args)
        if name == "bench" and command is not None and any(word.startswith("--sweep") for word in rest):
            from zoo_core.cli.sweep import with_sweep

            rest = with_sweep(rest, command.params)
        return name, command, with_values(rest, OPTIONAL_VALUES.get(name or "", {}))


def with_values(words: Sequence[str], choices: Mapping[str, Sequence[str]]) -> list[str]:
    """Insert the first choice after each option that was given without a value, such as `--profile` of `zoo bench`.

    choices: the values of these options. Another word after one of them is no value of it.
    """
    found: list[str] = []
    for word, following in zip_longest(words, words[1:]):
        found.append(word)
        if word in choices and following not in choices[word]:
            found.append(choices[word][0])
    return found


def _unknown_option(error: Any) -> UsageError:
    """Suggest options of the command, or for `zoo bench` the recipe key that was written as an option."""
    from zoo_core.kinds import KINDS
    from zoo_core.recipe import RUNNER_PARAMS, as_param, helps

    name, command = error.option_name, error.ctx.command
    known = [option for param in command.params for option in param.opts if option.startswith("--")]
    if command.name == "bench":
        kinds = {key: as_param(value) for kind in KINDS.values() for key, value in kind.recipe.items()}
        keys = near_names(name.lstrip("-").replace("-", "_"), helps({**RUNNER_PARAMS, **kinds}))
        if keys and not near_names(name, known):
            return UsageError(f"unknown option {name!r}: recipe keys are set with --set, such as --set {keys[0]}=VALUE")
    return UnknownNameError("option", name, known, hint=f"`{error.ctx.command_path} --help`")


class LazyGroup(SuggestingGroup):
    """Looks for a command first among the zoo's own, then among those of plugins."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for specs in (lambda: OWN_COMMANDS, plugin_commands):
            for spec in specs():
                if spec.name == cmd_name:
                    return load_command(spec)
        return None

    def list_commands(self, ctx: Any) -> list[str]:
        return list(dict.fromkeys(spec.name for spec in (*OWN_COMMANDS, *plugin_commands())))


def plugin_commands(below: str = "") -> list[CommandSpec]:
    """Return the commands that plugins add below `zoo`, or below the named command, sorted by name."""
    from zoo_core.registry import Registry

    return sorted((spec for spec in Registry.load().commands if spec.below == below), key=lambda spec: spec.name)


def load_command(spec: CommandSpec) -> Any:
    """Import the command that a specification names. A command that cannot be imported raises when it is called."""
    holder = typer.Typer(add_completion=False)
    # A plugin's command can raise anything. `zoo --help` must work without it.
    try:
        target = resolve_entry(spec.entry)
    except Exception as error:
        target = _broken_command(spec, error)
    if isinstance(target, typer.Typer):
        holder.add_typer(target, name=spec.name, help=spec.help)
    else:
        holder.command(spec.name, help=spec.help)(target)
    return typer.main.get_group(holder).commands[spec.name]


def _broken_command(spec: CommandSpec, cause: Exception) -> Callable[[], None]:
    def refuse() -> None:
        from zoo_core.reasons import reason_of

        reason = reason_of(cause)
        raise EntryError(f"the command {spec.name!r} of plugin {spec.plugin} cannot be imported ({reason})") from cause

    return refuse


app = typer.Typer(name="zoo", cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("zoo-core"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A zoo of deep-learning tasks: benchmark models on tasks and rank them on a leaderboard."""


def main() -> None:
    """Run the command line. A ZooError, and a fault of the machine, print one line and exit with code 2."""
    from zoo_core.ui.console import accept_any_text, finish_output, open_missing_streams

    open_missing_streams()
    accept_any_text()
    code: Any = 0
    try:
        _reporting_errors(app)
    except SystemExit as end:
        code = end.code
    _reporting_errors(finish_output)
    sys.exit(code)


def _reporting_errors(call: Callable[[], object]) -> None:
    try:
        call()
    except ZooError as error:
        from zoo_core.ui.console import complain

        complain(str(error))
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except PermissionError as error:
        from zoo_core.ui.console import complain

        complain(f"{error.filename} may not be read or written: change its permissions, or use another path")
        sys.exit(USAGE)
    except BrokenPipeError:  # `zoo list | head`
        sys.exit(0)
    except (OSError, MemoryError) as error:
        fault = machine_error_of(OSError(errno.ENOMEM, "") if isinstance(error, MemoryError) else error)
        if fault is None:
            raise
        from zoo_core.ui.console import complain

        complain(str(fault))
        sys.exit(USAGE)
