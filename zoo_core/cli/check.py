"""`zoo check`: hold what plugins add against the conformance suite, before anyone else finds what is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.checks import RAN, CheckResult, Subject, counts, level
from zoo_core.checks.subjects import find_subjects
from zoo_core.checks.table import CHECKS
from zoo_core.cli.completion import complete_any
from zoo_core.cli.options import RESULTS
from zoo_core.errors import FAILURE, UnknownNameError, UsageError
from zoo_core.files import write_atomically
from zoo_core.registry import Registry
from zoo_core.results.store import CONFORMANCE
from zoo_core.ui.console import messages, print_json, print_table
from zoo_core.ui.parsing import parse_duration

if TYPE_CHECKING:
    from zoo_core.checks.suite import Settings

SHOWN = ("failed", "expected", "skipped", "not run")


def check_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Plugins, tasks, data sets, models; without a name all that is installed.", autocompletion=complete_any
        ),
    ] = None,
    task: Annotated[str, typer.Option("--task", help="Check models on this task.")] = "",
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this check, and what it needs.")] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="End a check after this long.")] = "120s",
    data_root: Annotated[
        Path | None, typer.Option("--data-root", envvar="ZOO_DATA_ROOT", help="Files of data that are not offline.")
    ] = None,
    explain: Annotated[bool, typer.Option("--list", help="Explain every check, and run none.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Note the plugins' levels for the leaderboard.")] = False,
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check plugins, tasks, data sets and models against the rules of the zoo; what is wrong, why, how to fix it."""
    if explain:
        _explain(only or [], as_json=as_json)
        return
    _require_known(only or [])
    settings = _settings(only or [], timeout, data_root)
    registry = Registry.load()
    subjects = find_subjects(registry, names or [], task)
    if record and (only or all(subject.what != "plugin" for subject in subjects)):
        raise UsageError(
            "--record goes with whole plugins and all checks: name a plugin, or none for all, and no --only"
        )
    found = _run(registry, subjects, settings)
    if not any(result.state in RAN for result in found):
        if found:
            _print(found, whole=False)
        raise UsageError("nothing to check: not one check could be made; the reasons are above, `zoo list` shows names")
    if record:
        _record(found, results)
    if as_json:
        print_json(as_values(found, whole=not only))
    else:
        _print(found, whole=not only)
    if any(result.state == "failed" for result in found):
        raise typer.Exit(FAILURE)


def _settings(only: Sequence[str], timeout: str, data_root: Path | None) -> Settings:
    from zoo_core.checks.suite import Settings
    from zoo_core.runner.executor import LocalExecutor

    seconds = parse_duration("--timeout", timeout)
    if data_root is not None and not data_root.expanduser().exists():
        raise UsageError(f"--data-root {data_root} is not there")
    return Settings(make_executor=LocalExecutor, only=only, timeout_s=seconds, data_root=data_root)


def _require_known(only: Sequence[str]) -> None:
    known = {check.name for checks in CHECKS.values() for check in checks}
    for name in only:
        if name not in known:
            raise UnknownNameError("check", name, known, hint="`zoo check --list`")


def _run(registry: Registry, subjects: Sequence[Subject], settings: Settings) -> list[CheckResult]:
    from zoo_core.checks.suite import run_suite

    console = messages()
    total = len(subjects)
    numbers = {subject.title: number for number, subject in enumerate(subjects, 1)}
    with console.status("checking") if console.is_terminal else nullcontext() as status:

        def heard(result: CheckResult) -> None:
            if status is not None:
                subject = result.subject
                status.update(f"{numbers[subject.title]}/{total} {subject.what} {subject.title}: {result.check.name}")

        return run_suite(registry, subjects, settings, heard)


def _explain(only: Sequence[str], *, as_json: bool) -> None:
    _require_known(only)
    rows = [
        {"of": check.what, "check": check.name, "holds": check.summary, "why": check.why, "fix": check.fix}
        | {"needs": list(check.needs)}
        for checks in CHECKS.values()
        for check in checks
        if not only or check.name in only
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.secho(f"{row['of']} {row['check']}", bold=True, nl=False)
        typer.echo(f": {row['holds']}\n  why: {row['why']}\n  fix: {row['fix']}")
        if row["needs"]:
            typer.echo(f"  needs: {', '.join(row['needs'])}")


def _print(found: Sequence[CheckResult], *, whole: bool) -> None:
    """What did not simply pass, a row for each reason; then one line."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for result in sorted((item for item in found if item.state in SHOWN), key=lambda item: SHOWN.index(item.state)):
        if result.applies:
            row = (f"{result.subject.what} {result.subject.title}", result.state, _remark(result))
            alike.setdefault(row, []).append(result.check.name)
    if alike:
        print_table(["subject", "check", "state", "reason"], [_row(*key, names) for key, names in alike.items()])
    typer.echo(summary(found) + (f". Conformance: {level(found)}" if whole else ""))


def _row(subject: str, state: str, reason: str, names: Sequence[str]) -> tuple[str, ...]:
    if len(names) == 1:
        return subject, names[0], state, reason
    return subject, f"{len(names)} checks", state, f"{reason} ({', '.join(names)})"


def _remark(result: CheckResult) -> str:
    return f"{result.reason}. To fix: {result.check.fix}" if result.state == "failed" else result.reason


def summary(found: Sequence[CheckResult]) -> str:
    """`N ran: ...`"""
    number = counts(found)
    inapplicable = sum(not result.applies for result in found)
    ran = sum(number[state] for state in RAN)
    skipped = f"{number['skipped']} skipped" + (f" ({inapplicable} without meaning there)" if inapplicable else "")
    return (
        f"{ran} ran: {number['passed']} passed, {number['failed']} failed, {number['expected']} expected to fail, "
        f"{skipped}, {number['not run']} not run"
    )


def as_values(found: Sequence[CheckResult], *, whole: bool) -> dict[str, Any]:
    """The results as JSON values; there is a level only of the whole suite."""
    from zoo_core.checks.suite import by_plugin

    return {
        "level": level(found) if whole else None,
        "counts": counts(found),
        "plugins": {name: level(results) for name, results in by_plugin(found).items()} if whole else {},
        "results": [
            {
                "what": result.subject.what,
                "subject": result.subject.name,
                "task": result.subject.task,
                "plugin": result.subject.plugin,
                "check": result.check.name,
                "state": result.state,
                "applies": result.applies,
                "reason": result.reason,
                "fix": result.check.fix,
                "seconds": round(result.seconds, 3),
            }
            for result in found
        ],
    }


def _record(found: Sequence[CheckResult], folder: Path) -> None:
    """Note the level of each plugin that was checked as a whole; other plugins' notes stay."""
    from zoo_core.checks.suite import by_plugin

    path = folder / CONFORMANCE
    try:
        noted = json.loads(path.read_bytes())
    except FileNotFoundError:
        noted = {}
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}): remove it, and record again") from error
    for name, results in by_plugin(found).items():
        whole = next((result.subject for result in results if result.subject.what == "plugin"), None)
        if whole is not None:
            noted[name] = {
                "version": whole.version,
                "level": level(results),
                "counts": counts(results),
                "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
    write_atomically(path, json.dumps(noted, indent=1, sort_keys=True).encode())
