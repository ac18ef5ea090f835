"""Groups the entries of a task into comparable trials, and summarises each model in a table ordered by mean score.

Units are suffixes, as in the records. Means and medians are over the trials with status ok. Times and memory are over
the undisturbed of them, or over all if every one was disturbed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pandas as pd

from zoo_core.results.records import FINAL
from zoo_leaderboard.records.entries import RUNNER, Entry
from zoo_leaderboard.records.index import oldest_first
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.text.names import short_hash

ENOUGH_SEEDS = 3  # with fewer seeds the order of models is provisional
ORIGINS = ("real", "copy", "bundled", "exact", "synthetic")
RECIPE_CLASSES = ("default", "quick", "custom")
MEDIANS = ("train_s", "throughput", "inference_throughput", "latency_ms", "peak_memory_mib")
FLOAT_COLUMNS = ("score", "target_s", *MEDIANS)
COUNT_COLUMNS = ("parameters", "flops_per_unit")
TRIAL_COUNTS = ("met", "timed", "disturbed")
# command-line options that affect a trial
SETTINGS = ("dtype", "compiled", "threads", "budget_s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The newest versions of tasks, data sets and models, by name, among all records."""

    tasks: Mapping[str, int]
    datasets: Mapping[str, int]
    models: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Group:
    """Trials that may be compared: `trials` are the current ones, oldest first, and `newest` is the latest of them.

    `models` has a line per board row, as `model_frame` returns it, and is not changed afterwards. `by_row` has the
    trials of each board row, oldest first. `stale` says why the whole group is out of date; empty where it is not.
    """

    key: GroupKey
    newest: Entry
    models: pd.DataFrame
    trials: Sequence[Entry]
    by_row: Mapping[str, Sequence[Entry]]
    stale: str

    @property
    def anchor(self) -> str:
        """The HTML id of the group's section."""
        return f"g-{short_hash(self.key.text)}"

    @property
    def unsuccessful(self) -> list[Entry]:
        """The current trials that are not ok."""
        return [entry for entry in self.trials if entry.status != "ok"]

    def ok(self, row: str) -> list[Entry]:
        """The row's trials with status ok, oldest first."""
        return [entry for entry in self.by_row[row] if entry.status == "ok"]

    def quiet(self, row: str) -> list[Entry]:
        """The row's ok trials whose times count: the undisturbed ones, or all if every one was disturbed."""
        ok = self.ok(row)
        return [entry for entry in ok if not entry.disturbed] or ok


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskBoard:
    """A task's groups in the order of the page; `newest` is the latest trial of the task's newest version.

    `skipped` are trials whose data or device was missing. `imported` are measurements by other programs. `history` has
    all trials, oldest first.
    """

    newest: Entry
    groups: Sequence[Group]
    skipped: Sequence[Entry]
    imported: Sequence[Entry]
    history: Sequence[Entry]

    @property
    def models(self) -> list[str]:
        """The names of all models in any of the tables, each once."""
        names = [name for group in self.groups for name in group.models["model"]]
        return list(dict.fromkeys([*names, *(entry.model for entry in (*self.skipped, *self.imported))]))

    @property
    def trials(self) -> int:
        return sum(len(group.trials) for group in self.groups)

    @property
    def failures(self) -> int:
        return sum(entry.failed for group in self.groups for entry in group.trials)


def task_board(entries: Iterable[Entry], versions: Versions) -> TaskBoard:
    """Build the board of one task. An id that occurs twice, from copied folders, counts once."""
    history = oldest_first(entries)
    trials = current_trials(trial_frame(entry for entry in history if entry.source == RUNNER))
    by_id = {entry.id: entry for entry in history}
    groups: list[Group] = []
    skipped: list[Entry] = []
    for key, frame in trials.groupby("group", sort=True):
        current = [by_id[name] for name in frame["id"]]
        if all(entry.status == "skipped" for entry in current):
            skipped += current
        else:
            groups.append(_group(GroupKey.parse(str(key)), frame, current, versions))
    return TaskBoard(
        newest=max(history, key=lambda entry: (entry.source == RUNNER, entry.task_version, entry.started_at, entry.id)),
        groups=sorted(groups, key=_group_order),
        skipped=skipped,
        imported=[entry for entry in history if entry.source != RUNNER],
        history=history,
    )


def trial_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """A frame with one line per entry, in the same order."""
    frame = pd.DataFrame(map(msgspec.structs.asdict, entries), columns=Entry.__struct_fields__)
    return frame.astype({**dict.fromkeys(FLOAT_COLUMNS, "float64"), **dict.fromkeys(COUNT_COLUMNS, "Int64")})


def current_entries(entries: Iterable[Entry]) -> list[Entry]:
    """The latest trial of every experiment, as `current_trials` selects them, oldest first."""
    by_id = {entry.id: entry for entry in entries}
    return [by_id[name] for name in current_trials(trial_frame(by_id.values()))["id"]]


def current_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Select the latest trial of every experiment; `earlier` is the number of other trials of the row.

    A finished trial takes precedence over a later one that is not final (interrupted, timed out, skipped), as in
    `zoo bench`. If a model's code changed, only the trials of the latest code count.
    """
    trials = trials.assign(final=trials["status"].isin(FINAL)).sort_values(["final", "started_at", "id"])
    latest_code = trials.groupby("row")["code"].transform("last")
    chosen = trials[trials["code"] == latest_code].drop_duplicates(["row", "seed"], keep="last")
    skipped = chosen["status"] == "skipped"
    chosen = chosen[
        ~skipped | ~chosen["planned"].isin(chosen.loc[~skipped, "planned"])
    ]  # run since, when it had its data
    earlier = trials.groupby("row").size().sub(chosen.groupby("row").size(), fill_value=0).astype(int)
    return chosen.assign(earlier=chosen["row"].map(earlier)).sort_values(["started_at", "id"], ignore_index=True)


def _group(key: GroupKey, frame: pd.DataFrame, trials: Sequence[Entry], versions: Versions) -> Group:
    newest = trials[-1]
    by_row: dict[str, list[Entry]] = {}
    for entry in trials:
        by_row.setdefault(entry.row, []).append(entry)
    stale = stale_group(newest, versions)
    models = model_frame(frame, higher_is_better=newest.higher_is_better)
    models = models.assign(stale=[stale or _stale_model(row, versions) for row in models.itertuples()])
    return Group(key=key, newest=newest, models=models, trials=trials, by_row=by_row, stale=stale)


def stale_group(entry: Entry, versions: Versions) -> str:
    """Why the group of this trial is out of date; empty if it is not."""
    newest = versions.tasks.get(entry.task, entry.task_version)
    if entry.task_version < newest:
        return f"task version {entry.task_version}, the newest is {newest}"
    newest = versions.datasets.get(entry.dataset, entry.dataset_version)
    if entry.dataset_version < newest:
        return f"data version {entry.dataset_version}, the newest is {newest}"
    return ""


def _stale_model(row: Any, versions: Versions) -> str:
    newest = versions.models.get(row.model, row.version)
    return f"model version {row.version}, the newest is {newest}" if row.version < newest else ""


def _group_order(group: Group) -> tuple[Any, ...]:
    """Sort by the latest task version, then up-to-date before out-of-date, then real data, then the default recipe."""
    entry = group.newest
    origin = ORIGINS.index(entry.origin) if entry.origin in ORIGINS else len(ORIGINS)
    recipe = RECIPE_CLASSES.index(entry.recipe_class) if entry.recipe_class in RECIPE_CLASSES else len(RECIPE_CLASSES)
    return (-entry.task_version, bool(group.stale), origin, recipe, entry.device, group.key.text)


def model_frame(trials: pd.DataFrame, *, higher_is_better: bool) -> pd.DataFrame:
    """A frame with one line per board row, best mean score first; rows without a score come last, by name.

    `statuses` and `reason` tell how the trials ended. `disturbed` counts the disturbed ok trials, `timed` the trials
    whose times count. `quiet` is false if all were disturbed.
    """
    scored = trials[(trials["status"] == "ok") & trials["score"].notna()]
    by_row = scored.groupby("row")
    rows = trials.drop_duplicates("row", keep="last").set_index("row")
    facts = ["model", "version", "title", "pretrained_on", "device", "weights", *SETTINGS, "recipe", "earlier"]
    rows = rows[facts].join(by_row.agg(score=("score", "mean"), spread=("score", "std"), seeds=("seed", "size")))
    rows = rows.join(_time_medians(scored)).join(_latest_model_facts(trials))
    rows = rows.astype(dict.fromkeys(TRIAL_COUNTS, "Int64"))  # a row without a score has no counts
    rows["seeds"] = rows["seeds"].fillna(0).astype(int)
    rows["provisional"] = rows["seeds"] < ENOUGH_SEEDS
    rows["time_to_target"] = rows["time_to_target"].where(rows["score"].notna(), None)
    rows["statuses"] = _status_counts(trials)
    rows["reason"] = trials[trials["status"] != "ok"].groupby("row")["reason"].last()
    rows["hardware"] = trials.groupby("row")["device_name"].agg(
        lambda names: ", ".join(dict.fromkeys(filter(None, names)))
    )
    rows["recipe"] = [json.loads(text) for text in rows["recipe"]]
    rows["variant"] = _variant_words(rows)
    order = rows["score"] * (-1 if higher_is_better else 1)
    rows = rows.assign(order=order).sort_values(["order", "model", "version", "variant"], na_position="last")
    rows = rows.drop(columns="order").reset_index()
    rows["key"] = [
        f"r-{short_hash(row, 12)}" for row in rows["row"]
    ]  # 12 digits, because a page may have thousands of rows
    return rows


def _time_medians(scored: pd.DataFrame) -> pd.DataFrame:
    """By row, the medians of times and memory over the undisturbed trials, or over all if every one was disturbed."""
    disturbed = scored["disturbed"] != ""
    quiet_rows = set(scored.loc[~disturbed, "row"])
    counted = scored[~disturbed | ~scored["row"].isin(quiet_rows)]
    by_row = counted.groupby("row")
    times = by_row[[*MEDIANS]].median().join(times_to_target(counted)).join(by_row.size().rename("timed"))
    counts = disturbed.groupby(scored["row"]).sum().rename("disturbed")
    return times.join(counts).assign(quiet=lambda frame: [row in quiet_rows for row in frame.index])


def _latest_model_facts(trials: pd.DataFrame) -> pd.DataFrame:
    """By row, the latest known size and FLOPs of the model."""
    return trials.groupby("row")[[*COUNT_COLUMNS, "flops_unknown_because"]].last()


def times_to_target(trials: pd.DataFrame) -> pd.DataFrame:
    """By row: `time_to_target` (met, missed, not applicable), `time_to_target_s`, and `met`, the number that met it.

    In the median a missed target counts as infinite, so the median can be "missed". Trials with "not applicable" are
    left out of the median.
    """
    infinite = trials["target_s"].mask(trials["target_status"] == "missed", float("inf"))
    seconds = infinite.mask(trials["target_status"] == "not applicable").groupby(trials["row"]).median()
    status = pd.Series("met", index=seconds.index).mask(seconds == float("inf"), "missed")
    met = (trials["target_status"] == "met").groupby(trials["row"]).sum()
    return pd.DataFrame(
        {
            "time_to_target": status.mask(seconds.isna(), "not applicable"),
            "time_to_target_s": seconds.mask(seconds == float("inf")),
            "met": met,
        }
    )


def _status_counts(trials: pd.DataFrame) -> pd.Series[Any]:
    """By row, the number of trials by status, ok first."""
    counted = trials.groupby(["row", "status"]).size()
    found: dict[Any, dict[str, int]] = {row: {"ok": 0} for row in trials["row"]}
    for key, n in counted.to_dict().items():
        row, status = cast(tuple[str, str], key)
        found[row][status] = int(n)
    return pd.Series({row: {name: n for name, n in counts.items() if n} for row, counts in found.items()})


def _variant_words(rows: pd.DataFrame) -> list[str]:
    """For each row, how it differs from the default settings and from the recipes of the model's other rows."""
    models = list(zip(rows["model"], rows["version"], strict=True))
    recipes: dict[Any, list[Mapping[str, Any]]] = {}
    for model, recipe in zip(models, rows["recipe"], strict=True):
        recipes.setdefault(model, []).append(recipe)
    return [
        ", ".join([*_setting_words(row), *_recipe_words(row.recipe, recipes[model])])
        for row, model in zip(rows.itertuples(), models, strict=True)
    ]


def _setting_words(row: Any) -> list[str]:
    words = [] if row.dtype == "float32" else [str(row.dtype)]
    words += ["compiled"] if row.compiled else []
    words += [f"{row.threads} threads"] if row.threads else []
    return words + ([] if pd.isna(row.budget_s) else [f"budget {row.budget_s:g} s"])


def _recipe_words(recipe: Any, recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """`key=value` for each setting that differs in any of the recipes."""
    return [f"{key}={value}" for key, value in recipe.items() if any(other.get(key, ...) != value for other in recipes)]
