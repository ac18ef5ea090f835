"""`zoo check`: runs the conformance suite on plugins, tasks, data sets and models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.checks import COMPLETED_STATES, CheckResult, Subject, conformance_level, count_states
from zoo_core.checks.subjects import find_subjects
from zoo_core.checks.table import CHECKS
from zoo_core.cli.completion import complete_any
from zoo_core.cli.options import JSON, RESULTS
from zoo_core.errors import FAILURE, UnknownNameError, UsageError
from zoo_core.files import read_regular, write_atomically
from zoo_core.registry import Registry
from zoo_core.results.reading import MAX_NOTE_BYTES, error_words
from zoo_core.results.store import CONFORMANCE
from zoo_core.ui.console import messages, print_json, print_table, say
from zoo_core.ui.formats import format_count
from zoo_core.ui.parsing import parse_duration

if TYPE_CHECKING:
    from zoo_core.checks.suite import Settings

REPORTED_STATES = ("failed", "expected", "skipped", "not run")  # in this order


def check_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of plugins, tasks, data sets or models. Default: all installed plugins.",
            autocompletion=complete_any,
        ),
    ] = None,
    task: Annotated[
        str, typer.Option("--task", help="Task to check models on. Default: every task a model is registered for.")
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Run only this check and the checks it needs. Repeat for several."),
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="Time limit of a check, such as 60s or 2m.")] = "120s",
    data_root: Annotated[
        Path | None, typer.Option("--data-root", envvar="ZOO_DATA_ROOT", help="Folder with local data sets.")
    ] = None,
    explain: Annotated[bool, typer.Option("--list", help="Explain the checks instead of running them.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Store each plugin's level for the leaderboard.")] = False,
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Check plugins, tasks, data sets and models against the rules of the zoo, and say how to fix failures."""
    if explain:
        _print_explanations(only or [], as_json=as_json)
        return
    _require_known(only or [])
    settings = _settings(only or [], timeout, data_root)
    registry = Registry.load()
    subjects = find_subjects(registry, names or [], task)
    if record and (only or all(subject.what != "plugin" for subject in subjects)):
        raise UsageError("--record needs whole plugins and all checks: name plugins or nothing, and omit --only")
    check_results = _run_with_status(registry, subjects, settings)
    if not any(result.state in COMPLETED_STATES for result in check_results):
        if check_results:
            _print_results(check_results, all_checks=False)
        raise UsageError("nothing to check: no check could run; the reasons are above, and `zoo list` shows names")
    if record:
        _record_levels(check_results, results)
    if as_json:
        print_json(as_values(check_results, all_checks=not only))
    else:
        _print_results(check_results, all_checks=not only)
    if any(result.state == "failed" for result in check_results):
        raise typer.Exit(FAILURE)


def _settings(only: Sequence[str], timeout: str, data_root: Path | None) -> Settings:
    from zoo_core.checks.suite import Settings
    from zoo_core.runner.executor import LocalExecutor

    seconds = parse_duration("--timeout", timeout)
    if data_root is not None and not data_root.expanduser().exists():
        raise UsageError(f"--data-root {data_root} does not exist")
    return Settings(make_executor=LocalExecutor, only=only, timeout_s=seconds, data_root=data_root)


def _require_known(only: Sequence[str]) -> None:
    known = {check.name for checks in CHECKS.values() for check in checks}
    for name in only:
        if name not in known:
            raise UnknownNameError("check", name, known, hint="`zoo check --list`")


def _run_with_status(registry: Registry, subjects: Sequence[Subject], settings: Settings) -> list[CheckResult]:
    """Run the suite. On a terminal, show the check that ended last."""
    from zoo_core.checks.suite import run_suite

    console = messages()
    total = len(subjects)
    numbers = {subject.title: number for number, subject in enumerate(subjects, 1)}
    with console.status("checking") if console.is_terminal else nullcontext() as status:

        def show(result: CheckResult) -> None:
            if status is not None:
                subject = result.subject
                status.update(f"{numbers[subject.title]}/{total} {subject.what} {subject.title}: {result.check.name}")

        return run_suite(registry, subjects, settings, show)


def _print_explanations(only: Sequence[str], *, as_json: bool) -> None:
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
        say(f": {row['holds']}\n  why: {row['why']}\n  fix: {row['fix']}")
        if row["needs"]:
            say(f"  needs: {', '.join(row['needs'])}")


def _print_results(check_results: Sequence[CheckResult], *, all_checks: bool) -> None:
    """Print the applicable results that did not pass, one row for each reason, then the counts.

    The level of conformance is printed only if `all_checks` have run.
    """
    alike: dict[tuple[str, str, str], list[str]] = {}
    reported = [item for item in check_results if item.state in REPORTED_STATES and item.applies]
    for result in sorted(reported, key=lambda item: REPORTED_STATES.index(item.state)):
        key = (f"{result.subject.what} {result.subject.title}", result.state, _reason_and_fix(result))
        alike.setdefault(key, []).append(result.check.name)
    if alike:
        rows = [_result_row(*key, names) for key, names in alike.items()]
        print_table(["subject", "check", "state", "reason"], rows)
    say(summarize(check_results) + (f". Conformance: {conformance_level(check_results)}" if all_checks else ""))


def _result_row(subject: str, state: str, reason: str, names: Sequence[str]) -> tuple[str, ...]:
    if len(names) == 1:
        return subject, names[0], state, reason
    return subject, f"{len(names)} checks", state, f"{reason} ({', '.join(names)})"


def _reason_and_fix(result: CheckResult) -> str:
    end = "" if result.reason.endswith((".", "?")) else "."
    return f"{result.reason}{end} To fix: {result.check.fix}" if result.state == "failed" else result.reason


def summarize(check_results: Sequence[CheckResult]) -> str:
    """Return one line of counts: `9 checks ran: 8 passed, 1 failed, ...`."""
    counts = count_states(check_results)
    not_applicable = sum(not result.applies for result in check_results)
    ran = format_count(sum(counts[state] for state in COMPLETED_STATES), "check")
    skipped = f"{counts['skipped']} skipped" + (f" ({not_applicable} not applicable)" if not_applicable else "")
    return (
        f"{ran} ran: {counts['passed']} passed, {counts['failed']} failed, {counts['expected']} expected to fail, "
        f"{skipped}, {counts['not run']} not run"
    )


def as_values(check_results: Sequence[CheckResult], *, all_checks: bool) -> dict[str, Any]:
    """Return the results as JSON values. A level needs `all_checks`."""
    from zoo_core.checks.suite import group_by_plugin

    levels = {name: conformance_level(results) for name, results in group_by_plugin(check_results).items()}
    return {
        "level": conformance_level(check_results) if all_checks else None,
        "counts": count_states(check_results),
        "plugins": levels if all_checks else {},
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
            for result in check_results
        ],
    }


def _record_levels(check_results: Sequence[CheckResult], folder: Path) -> None:
    """Store the level of each plugin that was checked as a whole. Levels of other plugins stay."""
    from zoo_core.checks.suite import group_by_plugin

    path = folder / CONFORMANCE
    try:
        recorded = json.loads(read_regular(path, MAX_NOTE_BYTES))
    except FileNotFoundError:
        recorded = {}
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error_words(error)}): remove it, and record again") from error
    if not isinstance(recorded, dict):
        raise UsageError(f"{path} is not an object of JSON: remove it, and record again")
    for name, results in group_by_plugin(check_results).items():
        plugin = next((result.subject for result in results if result.subject.what == "plugin"), None)
        if plugin is not None:
            recorded[name] = {
                "version": plugin.version,
                "level": conformance_level(results),
                "counts": count_states(results),
                "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
    write_atomically(path, json.dumps(recorded, indent=1, sort_keys=True).encode())
