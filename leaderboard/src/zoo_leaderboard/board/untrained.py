"""Models with nothing to train stand in the table of every recipe class of their setting, beside their rivals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pandas as pd

from zoo_leaderboard.records.keys import GroupKey, RowKey
from zoo_leaderboard.records.trials import TrialSummary

# Recipe classes whose trials are shown in the others, the preferred first; the options of a custom recipe may matter.
SOURCES = ("default", "quick")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """The current trials of one group, oldest first: as lines of a frame, and in the same order as objects."""

    key: GroupKey
    frame: pd.DataFrame
    trials: Sequence[TrialSummary]

    @property
    def untrained(self) -> set[str]:
        """The texts of the rows with nothing to train."""
        return {trial.row_text for trial in self.trials if trial.untrained}

    @property
    def has_trained(self) -> bool:
        """Whether any row has something to train."""
        return len(self.untrained) < len({trial.row_text for trial in self.trials})


def join_untrained(parts: Sequence[Part]) -> list[Part]:
    """Add the rows with nothing to train to the groups of the other recipe classes.

    A group with a row of the same model keeps its own. A group of nothing but such rows is left out, because they are
    all in another group then.
    """
    by_setting: dict[GroupKey, list[Part]] = {}
    for part in parts:
        by_setting.setdefault(msgspec.structs.replace(part.key, recipe_class=""), []).append(part)
    return [joined for same in by_setting.values() for joined in _join(same)]


def _join(parts: Sequence[Part]) -> list[Part]:
    """Join the parts of one setting, which differ in the recipe class."""
    by_class = {part.key.recipe_class: part for part in parts}
    sources = [by_class[name] for name in SOURCES if name in by_class and by_class[name].untrained]
    if len(parts) == 1 or not sources:
        return list(parts)
    hosts = [part for part in parts if part.has_trained] or [sources[0]]
    joined = []
    for part in parts:
        if part in hosts:
            for source in sources:
                part = _with_guests(part, source)
            joined.append(part)
        elif part not in sources:
            joined.append(part)
    return joined


def _with_guests(host: Part, source: Part) -> Part:
    """Add the untrained rows of `source` to `host`, except those of which it has a row as new."""
    known = {(trial.model, trial.model_version) for trial in host.trials}
    untrained = source.untrained
    rows = {
        trial.row_text: _row_text_in(host.key, trial.row_text)
        for trial in source.trials
        if trial.row_text in untrained
        and not any(name == trial.model and version >= trial.model_version for name, version in known)
    }
    if source.key == host.key or not rows:
        return host
    group = host.key.text
    lines = source.frame[source.frame["row_text"].isin(list(rows))]
    lines = lines.assign(group_text=group, row_text=lines["row_text"].map(rows))
    guests = [
        msgspec.structs.replace(trial, group_text=group, row_text=rows[trial.row_text])
        for trial in source.trials
        if trial.row_text in rows
    ]
    frame = pd.concat([host.frame, lines]).sort_values(["started_at", "id"], ignore_index=True)
    trials = sorted([*host.trials, *guests], key=lambda trial: (trial.started_at, trial.id))
    return Part(key=host.key, frame=frame, trials=trials)


def _row_text_in(group: GroupKey, row_text: str) -> str:
    return msgspec.structs.replace(RowKey.parse(row_text), group=group).text
