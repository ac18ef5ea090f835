"""Records to tables: what may be compared, and one row a model in order of its mean score.

Knows neither HTML nor plots. Units are suffixes, as in the records. Means and medians are over the trials that are ok.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from zoo_core.records import FINAL, Record

ENOUGH_SEEDS = 3  # below this the order of models is provisional
ORIGINS = ("real", "copy", "bundled", "exact", "synthetic")
CLASSES = ("default", "quick", "custom")
MEDIANS = ("train_s", "throughput", "latency_ms", "peak_memory_mib")
NUMBERS = ("score", "target_s", *MEDIANS)
COUNTS = ("parameters", "flops_per_unit")
# what one computation of a model depends on beside its seed, as the person chose it
SETTINGS = ("dtype", "compiled", "threads", "budget_s")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Group:
    """Trials that may be compared; `newest` describes them. A row a model in `models`, a current trial in `trials`."""

    id: str
    newest: Record
    models: pd.DataFrame
    trials: pd.DataFrame
    records: Mapping[str, Record]

    @property
    def ranked(self) -> pd.DataFrame:
        """The models that have a score."""
        return self.models[self.models["score"].notna()]

    @property
    def unsuccessful(self) -> pd.DataFrame:
        """The current trials that are not ok."""
        return self.trials[self.trials["status"] != "ok"]

    def of_row(self, row: str, *, ok: bool = True) -> list[Record]:
        """The current records behind a row of `models`, oldest first."""
        chosen = self.trials[self.trials["row"] == row]
        if ok:
            chosen = chosen[chosen["status"] == "ok"]
        return [self.records[name] for name in chosen["id"]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskBoard:
    """A task with its groups, the best comparable first; `skipped` are trials that found nothing to run on."""

    newest: Record
    groups: Sequence[Group]
    skipped: pd.DataFrame

    @property
    def models(self) -> list[str]:
        """The names of all models that were tried."""
        names = [name for group in self.groups for name in group.models["model"]]
        return list(dict.fromkeys([*names, *self.skipped["model"]]))

    @property
    def trials(self) -> int:
        return sum(len(group.trials) for group in self.groups)

    @property
    def failures(self) -> int:
        return sum(int((~group.trials["status"].isin(["ok", "skipped"])).sum()) for group in self.groups)


def boards(records: Iterable[Record]) -> list[TaskBoard]:
    """A board a task, by title."""
    by_id = {record.id: record for record in records}
    trials = current_trials(trial_frame(by_id.values()))
    found = [_board(frame, by_id) for _, frame in trials.groupby("task", sort=True)]
    return sorted(found, key=lambda board: (board.newest.task.title.casefold(), board.newest.task.name))


def group_key(record: Record) -> list[Any]:
    """What two trials must share to be compared; metric and kind are the task version's, and checked all the same."""
    task, dataset = record.task, record.dataset
    judged = [task.kind, task.kind_version, task.metric, task.higher_is_better]
    return [
        task.name,
        task.version,
        *judged,
        dataset.name,
        dataset.fingerprint,
        record.recipe_class,
        record.device.kind,
    ]


def row_key(record: Record) -> list[Any]:
    """What the seeds behind one row share: the same model trained in the same way."""
    model, device = record.model, record.device
    settings = [device.dtype, device.compiled, device.requested_threads, record.budget_s]
    return [model.name, model.version, model.pretrained_on, model.weights_sha256, *settings, record.recipe]


def trial_frame(records: Iterable[Record]) -> pd.DataFrame:
    """A row a record, oldest first."""
    frame = pd.DataFrame([_trial(record) for record in records])
    frame = frame.astype({**dict.fromkeys(NUMBERS, "float64"), **dict.fromkeys(COUNTS, "Int64")})
    return frame.sort_values(["started_at", "id"], ignore_index=True)


def _trial(record: Record) -> dict[str, Any]:
    model, device, measured = record.model, record.device, record.measured
    target = measured.time_to_target
    return {
        "id": record.id,
        "started_at": record.started_at,
        "task": record.task.name,
        "group": json.dumps(group_key(record)),
        "row": json.dumps([group_key(record), row_key(record)], sort_keys=True),
        "pair": json.dumps([group_key(record)[:-3], record.recipe_class, device.kind, model.name, record.seed]),
        "model": model.name,
        "version": model.version,
        "title": model.title,
        "pretrained_on": model.pretrained_on,
        "code": model.code_sha256,
        "dtype": device.dtype,
        "compiled": device.compiled,
        "threads": device.requested_threads,
        "budget_s": record.budget_s,
        "recipe": record.recipe,
        "seed": record.seed,
        "status": record.status,
        "reason": record.reason,
        "score": record.score,
        "target_status": target.status if target else "not applicable",
        "target_s": target.seconds if target else None,
        "train_s": measured.train_s,
        "throughput": measured.throughput,
        "latency_ms": measured.latency.median_ms if measured.latency else None,
        "peak_memory_mib": measured.peak_memory_mib,
        "parameters": model.parameters,
        "flops_per_unit": model.flops_per_unit,
        "flops_unknown_because": model.flops_unknown_because,
    }


def current_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The latest trial of every experiment; the others are history, counted in `earlier`.

    A trial that came to an end counts before a later one that did not (interrupted, timed out, skipped), as in
    `zoo bench`. Of a model whose code was changed only the trials of the latest code count.
    """
    trials = trials.assign(final=trials["status"].isin(FINAL)).sort_values(["final", "started_at", "id"])
    latest_code = trials.groupby("row")["code"].transform("last")
    chosen = trials[trials["code"] == latest_code].drop_duplicates(["row", "seed"], keep="last")
    skipped = chosen["status"] == "skipped"
    chosen = chosen[~skipped | ~chosen["pair"].isin(chosen.loc[~skipped, "pair"])]  # run since, when it had its data
    earlier = trials.groupby("row").size() - chosen.groupby("row").size()
    return chosen.assign(earlier=chosen["row"].map(earlier)).sort_values(["started_at", "id"], ignore_index=True)


def _board(trials: pd.DataFrame, by_id: Mapping[str, Record]) -> TaskBoard:
    groups, skipped = [], [trials.iloc[:0]]
    for key, frame in trials.groupby("group", sort=True):
        if (frame["status"] == "skipped").all():
            skipped.append(frame)
        else:
            groups.append(_group(str(key), frame, by_id))
    return TaskBoard(
        newest=by_id[str(trials["id"].iloc[-1])],
        groups=sorted(groups, key=_group_order),
        skipped=pd.concat(skipped, ignore_index=True),
    )


def _group(key: str, trials: pd.DataFrame, by_id: Mapping[str, Record]) -> Group:
    newest = by_id[str(trials["id"].iloc[-1])]
    return Group(
        id=key,
        newest=newest,
        models=model_frame(trials, higher_is_better=newest.task.higher_is_better),
        trials=trials,
        records={str(name): by_id[str(name)] for name in trials["id"]},
    )


def _group_order(group: Group) -> tuple[Any, ...]:
    """Latest task version, then the least altered data, then the recipe everybody has."""
    record = group.newest
    origin = record.dataset.origin
    rank = ORIGINS.index(origin) if origin in ORIGINS else len(ORIGINS)
    return (-record.task.version, rank, CLASSES.index(record.recipe_class), record.device.kind, group.id)


def model_frame(trials: pd.DataFrame, *, higher_is_better: bool) -> pd.DataFrame:
    """A row a model, best mean score first; models without a score come last, by name.

    `spread` is the sample standard deviation over seeds, `rank` counts the better means, `statuses` and `reason` say
    what became of the trials.
    """
    scored = trials[(trials["status"] == "ok") & trials["score"].notna()]
    by_row = scored.groupby("row")
    rows = trials.drop_duplicates("row", keep="last").set_index("row")
    rows = rows[["model", "version", "title", "pretrained_on", *SETTINGS, "recipe", "earlier"]].join(
        by_row.agg(score=("score", "mean"), spread=("score", "std"), seeds=("seed", "size"))
    )
    rows = rows.join(by_row[[*MEDIANS]].median()).join(_facts(trials)).join(times_to_target(scored))
    rows["seeds"] = rows["seeds"].fillna(0).astype(int)
    rows["provisional"] = rows["seeds"] < ENOUGH_SEEDS
    rows["time_to_target"] = rows["time_to_target"].where(rows["score"].notna(), None)
    rows["rank"] = rows["score"].rank(method="min", ascending=not higher_is_better).astype("Int64")
    rows["statuses"] = _statuses(trials)
    rows["reason"] = trials[trials["status"] != "ok"].groupby("row")["reason"].last()
    rows["variant"] = _variants(rows)
    rows = rows.sort_values(["rank", "model", "version", "variant"], na_position="last")
    return rows.reset_index()


def _facts(trials: pd.DataFrame) -> pd.DataFrame:
    """What the trials found out about the model itself, the latest that is known."""
    return trials.groupby("row")[[*COUNTS, "flops_unknown_because"]].last()


def times_to_target(trials: pd.DataFrame) -> pd.DataFrame:
    """By row `time_to_target` (met, missed, not applicable), `time_to_target_s` and `met`, how many trials met it.

    The median counts a missed target as infinite, so it can be "missed"; "not applicable" is neither.
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


def _statuses(trials: pd.DataFrame) -> pd.Series[Any]:
    """By row how many trials ended how, ok first."""
    counts = {
        row: {"ok": 0} | {str(status): int(n) for status, n in statuses.value_counts().sort_index().items()}
        for row, statuses in trials.groupby("row")["status"]
    }
    return pd.Series({row: {name: n for name, n in found.items() if n} for row, found in counts.items()})


def _variants(rows: pd.DataFrame) -> list[str]:
    """In words what tells a row from the model's usual settings, and from the model's other rows."""
    words = []
    for row in rows.itertuples():
        siblings = rows[(rows["model"] == row.model) & (rows["version"] == row.version)]["recipe"]
        words.append(", ".join([*_settings(row), *_recipe_differences(row.recipe, siblings)]))
    return words


def _settings(row: Any) -> list[str]:
    words = [] if row.dtype == "float32" else [str(row.dtype)]
    words += ["compiled"] if row.compiled else []
    words += [f"{row.threads} threads"] if row.threads else []
    return words + ([] if pd.isna(row.budget_s) else [f"budget {row.budget_s:g} s"])


def _recipe_differences(recipe: Any, siblings: Iterable[Any]) -> list[str]:
    others = list(siblings)
    return [f"{key}={value}" for key, value in recipe.items() if any(other.get(key, ...) != value for other in others)]
