"""Selects the trials of two runs that are compared: two folders of records, or two occasions in one folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from zoo_core.errors import UsageError
from zoo_core.results.store import Unreadable
from zoo_leaderboard.board.occasions import occasions_of, start_of
from zoo_leaderboard.board.tables import current_trials
from zoo_leaderboard.records.current import Current, load_current
from zoo_leaderboard.records.index import Loaded, load_all_trials, scan
from zoo_leaderboard.records.keys import GroupKey, Key
from zoo_leaderboard.records.trials import RUNNER, TrialSummary

LAST_RUN = timedelta(days=1)  # the last run is what was measured within a day of the newest trial
MIN_CODE_DIGITS = 4  # of a commit or a hash that names a baseline
MAX_LISTED = 5  # days, in a message


class ComparedKey(Key, frozen=True, kw_only=True, array_like=True):
    """The fields that a trial before and one after must share to be compared; versions and code may differ."""

    group: GroupKey
    model: str
    pretrained_on: str
    dtype: str
    compiled: bool
    threads: int
    budget_s: float | None
    recipe: str

    @property
    def words(self) -> str:
        """The setting in one line."""
        group = self.group
        return f"{self.model} on {group.task} ({group.dataset}, {group.recipe_class} recipe, {group.device_class})"


Trials = list[TrialSummary]


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """The trials before and after of each setting that both runs measured, and the other settings in words.

    `left_out` is the number of settings that were measured on several occasions, but not on the last day; `unreadable`
    are the files that could not be read.
    """

    both: dict[ComparedKey, tuple[Trials, Trials]]
    only_before: Sequence[str]
    only_after: Sequence[str]
    left_out: int = 0
    unreadable: Sequence[Unreadable] = ()


def two_folders(before: Sequence[Path], after: Sequence[Path]) -> Runs:
    """Select the current trials of two folders.

    Trials are compared if task version, data fingerprint, recipe class, device class, precision and model are equal;
    the model's version and code may differ. Raises UsageError for a folder that is missing or has no records, and if
    nothing can be compared.
    """
    loaded = [_load(results) for results in (before, after)]
    runs = runs_of(*(current_trials(item.trials, _load_notes(item.results)) for item in loaded))
    return replace(runs, unreadable=[file for item in loaded for file in item.unreadable])


def runs_of(before: Iterable[TrialSummary], after: Iterable[TrialSummary]) -> Runs:
    """Select as `two_folders` describes, from the current trials. Raises UsageError if nothing can be compared."""
    old, new = _newest_rows(before), _newest_rows(after)
    both = {key: (old[key], new[key]) for key in new if key in old}
    if not both:
        raise UsageError(
            "the two runs have nothing in common: no model was measured on the same task version, data, recipe class, "
            "device class and precision in both"
        )
    return Runs(
        both=both,
        only_before=[key.words for key in old if key not in new],
        only_after=[key.words for key in new if key not in old],
    )


def last_occasions(results: Sequence[Path]) -> Runs:
    """Select for each setting its last occasion, if it was within a day of the newest trial, and the one before it.

    Raises UsageError for a folder that is missing or has no records, and if nothing was measured twice.
    """
    occasions, unreadable = _occasions_by_setting(results)
    newest = max((of_key[-1][-1] for of_key in occasions.values()), key=start_of)
    recent = {
        key: of_key for key, of_key in occasions.items() if start_of(newest) - start_of(of_key[-1][-1]) <= LAST_RUN
    }
    both = {key: (of_key[-2], of_key[-1]) for key, of_key in recent.items() if len(of_key) > 1}
    if not both:
        raise UsageError(
            f"no model of the last day ({newest.started_at[:10]}) in {_names(results)} has an earlier occasion: run "
            "`zoo bench` again after a change, or name a baseline with --baseline"
        )
    return Runs(
        both=both,
        only_before=[],
        only_after=[key.words for key in recent if key not in both],
        left_out=sum(len(of_key) > 1 for key, of_key in occasions.items() if key not in recent),
        unreadable=unreadable,
    )


def since_baseline(results: Sequence[Path], baseline: str) -> Runs:
    """Select for each setting its newest occasion, and the newest earlier one that `baseline` names.

    `baseline` is the begin of a start time (2026-11-20), or at least four digits of a commit of the zoo or of a
    model's code hash. Raises UsageError if it names no occasion.
    """
    occasions, unreadable = _occasions_by_setting(results)
    named = {key: [trials for trials in of_key if _is_named(trials[0], baseline)] for key, of_key in occasions.items()}
    if not any(named.values()):
        days = sorted({trials[0].started_at[:10] for of_key in occasions.values() for trials in of_key}, reverse=True)
        raise UsageError(
            f"--baseline {baseline}: no occasion in {_names(results)} began then, or has this commit or code; there "
            f"are occasions of {', '.join(days[:MAX_LISTED])}{' and earlier' if len(days) > MAX_LISTED else ''}"
        )
    both = {
        key: (named[key][-1], of_key[-1])
        for key, of_key in occasions.items()
        if named[key] and named[key][-1] is not of_key[-1]
    }
    if not both:
        raise UsageError(f"--baseline {baseline}: no model in {_names(results)} was measured again after it")
    return Runs(
        both=both,
        only_before=[key.words for key in occasions if named[key] and key not in both],
        only_after=[key.words for key in occasions if not named[key]],
        unreadable=unreadable,
    )


def _names(results: Sequence[Path]) -> str:
    return ", ".join(map(str, results))


def _load(results: Sequence[Path]) -> Loaded:
    """Load the trials of the runner. Raises UsageError if there are none."""
    loaded = load_all_trials(results)
    trials = [trial for trial in loaded.trials if trial.source == RUNNER]
    if not trials:
        named = "".join(f"; left out {item.path}: {item.reason}" for item in loaded.unreadable[:MAX_LISTED])
        raise UsageError(f"there are no records in {_names(results)}{named}; `zoo bench TASK` makes some")
    return replace(loaded, trials=trials)


def _load_notes(results: Sequence[Path]) -> Current:
    return load_current(shard.folder for shard in scan(results))


def _by_setting(trials: Iterable[TrialSummary]) -> dict[ComparedKey, Trials]:
    """Group the trials by setting, in the order of the settings' texts; skipped trials are no measurement."""
    settings: dict[ComparedKey, Trials] = {}
    for trial in trials:
        if trial.status != "skipped":
            settings.setdefault(compared_key(trial), []).append(trial)
    return dict(sorted(settings.items(), key=lambda item: item[0].text))


def _newest_rows(trials: Iterable[TrialSummary]) -> dict[ComparedKey, Trials]:
    """Group by setting; of a folder that grew over time, with rows of earlier versions, only the newest row counts."""
    return {
        key: [trial for trial in rows if trial.row_text == rows[-1].row_text]
        for key, rows in _by_setting(trials).items()
    }


def _occasions_by_setting(results: Sequence[Path]) -> tuple[dict[ComparedKey, list[Trials]], list[Unreadable]]:
    loaded = _load(results)
    dated = [trial for trial in loaded.trials if trial.started_at]
    found = {key: occasions_of(trials) for key, trials in _by_setting(dated).items()}
    if not found:
        reason = "were skipped" if dated else "started in the future, by their records"
        raise UsageError(f"all trials in {_names(results)} {reason}; `zoo bench TASK` makes others")
    return found, loaded.unreadable


def _is_named(trial: TrialSummary, baseline: str) -> bool:
    if trial.started_at.startswith(baseline):
        return True
    hashes = (trial.commit, trial.code_sha256) if len(baseline) >= MIN_CODE_DIGITS else ()
    return any(text.startswith(baseline) for text in hashes)


def compared_key(trial: TrialSummary) -> ComparedKey:
    return ComparedKey(
        group=GroupKey.parse(trial.group_text),
        model=trial.model,
        pretrained_on=trial.pretrained_on,
        dtype=trial.dtype,
        compiled=trial.compiled,
        threads=trial.requested_threads,
        budget_s=trial.budget_s,
        recipe=trial.recipe if trial.recipe_class == "custom" else "",
    )
