"""Summarises the trials of a group in a pandas frame with one line per board row, best mean score first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd

from zoo_leaderboard.text.formats import counted
from zoo_leaderboard.text.names import short_hash

ENOUGH_SEEDS = 3  # with fewer seeds the order of models is provisional
ANCHOR_DIGITS = 12  # of a hash; a page may have thousands of rows
TRAINING_COLUMNS = ("train_s", "throughput", "peak_memory_mib")
INFERENCE_COLUMNS = ("latency_ms", "latency_p95_ms", "onnxruntime_ms", "inference_throughput")
MEDIAN_COLUMNS = (*TRAINING_COLUMNS, *INFERENCE_COLUMNS)
INTEGER_COLUMNS = ("parameters", "flops_per_unit", "year")
MODEL_COLUMNS = (*INTEGER_COLUMNS, "flops_unknown_because", "paper")
TRIAL_COUNT_COLUMNS = ("met_trials", "timed_trials", "disturbed_trials", "elsewhere_trials", "refused_trials")
# of the row's latest trial; `variant` names those that are not the default
SETTING_COLUMNS = ("dtype", "compiled", "requested_threads", "budget_s")
LATEST_COLUMNS = (
    *("model", "model_version", "model_title", "pretrained_on", "device_class", "weights_option"),
    *(*SETTING_COLUMNS, "recipe", "recipe_class", "older_trials", "is_current"),
)


def row_frame(trials: pd.DataFrame, *, higher_is_better: bool) -> pd.DataFrame:
    """Summarise a group's current trials; rows without a score come last, by name.

    `trials` has a line per trial with the fields of TrialSummary, `older_trials` and `is_current`, oldest first. The
    scored trials are those with status ok and a score; the timed trials are the `timed_trials` of them. Units are
    suffixes. The columns of the result:

    * `row_text`: the text of the RowKey; `anchor`: the row's HTML id, a hash of it.
    * `LATEST_COLUMNS`, as in the latest trial, but `recipe` is a dictionary. `older_trials`: trials that do not count.
    * `score`, `std`: mean and standard deviation over the scored trials; nan if unknown. `seed_count`: their number.
    * `provisional`: fewer than `ENOUGH_SEEDS` scored trials.
    * `MEDIAN_COLUMNS`: medians over the timed trials; those of the inference over trials with an undisturbed latency.
    * `time_to_target` (met, missed, not applicable or None), `time_to_target_s`: medians, see `times_to_target`.
    * `met_trials`, `timed_trials`: the number of timed trials that met the target, and of all timed trials.
    * `disturbed_trials`: the number of scored trials that were disturbed. `times_reliable`: whether any timed one was
      not; `latency_reliable`: the same for the latency.
    * `timed_on`: machine and device of the timed trials. `elsewhere_trials`: the number of scored trials of other
      machines or devices, whose times do not count; `elsewhere`: their names.
    * `refused_trials`: the number of scored trials with times that cannot be true; `refused_times`: the latest ones.
    * `time_note`: these five in words, where times are missing from the medians; else empty.
    * `MODEL_COLUMNS`: the latest known values; texts are those of the latest trial.
    * `untrained`: the model has nothing to train.
    * `statuses`: the number of trials by status. `reason`: that of the latest trial that is not ok.
    * `hardware`: the names of the devices. `variant`: how the row differs from the default settings, in words.
    """
    scored = trials[(trials["status"] == "ok") & trials["score"].notna()]
    scores = scored.groupby("row_text").agg(score=("score", "mean"), std=("score", "std"), seed_count=("seed", "size"))
    latest = trials.drop_duplicates("row_text", keep="last").set_index("row_text")[[*LATEST_COLUMNS]]
    rows = latest.join(scores).join(_time_columns(scored)).join(_model_columns(trials))
    rows = rows.astype(dict.fromkeys(TRIAL_COUNT_COLUMNS, "Int64"))  # a row without a score has no counts
    rows["seed_count"] = rows["seed_count"].fillna(0).astype(int)
    rows["provisional"] = rows["seed_count"] < ENOUGH_SEEDS
    rows[["timed_on", "elsewhere", "refused_times"]] = rows[["timed_on", "elsewhere", "refused_times"]].fillna("")
    rows["time_note"] = [_time_note(row) for row in rows.itertuples()]
    rows["time_to_target"] = rows["time_to_target"].where(rows["score"].notna(), None)
    rows["untrained"] = trials.groupby("row_text")["untrained"].any()
    rows["statuses"] = _status_counts(trials)
    rows["reason"] = trials[trials["status"] != "ok"].groupby("row_text")["reason"].last()
    rows["hardware"] = trials.groupby("row_text")["device_name"].agg(
        lambda names: ", ".join(dict.fromkeys(filter(None, names)))
    )
    rows["recipe"] = [json.loads(text) for text in rows["recipe"]]
    rows["variant"] = _variant_words(rows)
    rows = _best_first(rows, higher_is_better=higher_is_better).reset_index()
    rows["anchor"] = [f"r-{short_hash(row_text, ANCHOR_DIGITS)}" for row_text in rows["row_text"]]
    return rows


def timed_trials(trials: pd.DataFrame, disturbance: str = "disturbance") -> pd.DataFrame:
    """Select the trials of each row whose times count: those of one machine and device, without the disturbed ones.

    That is the place with the most undisturbed trials, and then the one with the newest trial. If every trial there was
    disturbed, all of them count. `trials` is oldest first; `disturbance` names the column that says why.
    """
    here = trials[_place(trials) == trials["row_text"].map(_timed_places(trials))]
    undisturbed = here[disturbance] == ""
    row_has_some = undisturbed.groupby(here["row_text"]).transform("any").astype(bool)
    return here[undisturbed | ~row_has_some]


def _place(trials: pd.DataFrame) -> pd.Series[str]:
    """Machine and device of each trial, in words."""
    device = trials["device_name"].where(trials["device_name"] != "", trials["device_class"])
    machine = " (machine " + trials["machine"] + ")"
    return device + machine.where(trials["machine"] != "", "")


def _timed_places(trials: pd.DataFrame) -> pd.Series[str]:
    """By row, the place whose times count. Training and latency are always timed at the same place."""
    places = trials.assign(place=_place(trials), undisturbed=trials["disturbance"] == "", order=range(len(trials)))
    sizes = places.groupby(["row_text", "place"], as_index=False).agg({"undisturbed": "sum", "order": "max"})
    return sizes.sort_values(["undisturbed", "order"]).groupby("row_text")["place"].last()


def _time_columns(scored: pd.DataFrame) -> pd.DataFrame:
    """By row, the columns that depend on the timed trials, and the numbers of trials that do not count, and why."""
    timed, inference = timed_trials(scored), timed_trials(scored, "latency_disturbance")
    by_row = timed.groupby("row_text")
    return (
        by_row[[*TRAINING_COLUMNS]]
        .median()
        .join(inference.groupby("row_text")[[*INFERENCE_COLUMNS]].median())
        .join(times_to_target(timed))
        .join(by_row.size().rename("timed_trials"))
        .join(_uncounted_columns(scored))
        .assign(
            times_reliable=(timed["disturbance"] == "").groupby(timed["row_text"]).any(),
            latency_reliable=(inference["latency_disturbance"] == "").groupby(inference["row_text"]).any(),
        )
    )


def _uncounted_columns(scored: pd.DataFrame) -> pd.DataFrame:
    """By row, how many scored trials have times that do not count: disturbed, elsewhere or refused; and which."""
    row, place = scored["row_text"], _place(scored)
    timed_on = _timed_places(scored)
    elsewhere = place[place != row.map(timed_on)]
    refused = scored["refused_times"] != ""
    return pd.DataFrame(
        {
            "disturbed_trials": (scored["disturbance"] != "").groupby(row).sum(),
            "timed_on": timed_on,
            "elsewhere_trials": (place != row.map(timed_on)).groupby(row).sum(),
            "elsewhere": elsewhere.groupby(row).agg(lambda names: ", ".join(dict.fromkeys(names))),
            "refused_trials": refused.groupby(row).sum(),
            "refused_times": scored.loc[refused, "refused_times"].groupby(row).last(),
        }
    )


def _time_note(row: Any) -> str:
    """Say which times do not count, and why: other machines, and times that cannot be true."""
    notes = []
    if not pd.isna(row.elsewhere_trials) and row.elsewhere_trials:
        notes.append(
            f"times from {row.timed_on}; not those of {counted(row.elsewhere_trials, 'trial')} on {row.elsewhere}"
        )
    if not pd.isna(row.refused_trials) and row.refused_trials:
        notes.append(f"impossible times in {counted(row.refused_trials, 'trial')}, ignored: {row.refused_times}")
    return "; ".join(notes)


def times_to_target(trials: pd.DataFrame) -> pd.DataFrame:
    """By row: `time_to_target` (met, missed, not applicable), `time_to_target_s`, and the number of `met_trials`.

    In the median a missed target counts as infinite, so the median can be "missed". Trials with "not applicable" are
    left out of the median.
    """
    seconds = trials["target_s"].mask(trials["target_status"] == "missed", float("inf"))
    applicable = seconds.mask(trials["target_status"] == "not applicable")
    median = applicable.groupby(trials["row_text"]).median()
    status = pd.Series("met", index=median.index).mask(median == float("inf"), "missed")
    return pd.DataFrame(
        {
            "time_to_target": status.mask(median.isna(), "not applicable"),
            "time_to_target_s": median.mask(median == float("inf")),
            "met_trials": (trials["target_status"] == "met").groupby(trials["row_text"]).sum(),
        }
    )


def _model_columns(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.groupby("row_text")[[*MODEL_COLUMNS]].last()


def _status_counts(trials: pd.DataFrame) -> pd.Series[Any]:
    """By row, the number of trials by status, ok first."""
    sizes = trials.groupby(["row_text", "status"]).size()
    counts: dict[Any, dict[str, int]] = {row_text: {"ok": 0} for row_text in trials["row_text"]}
    for key, size in sizes.to_dict().items():
        row_text, status = cast(tuple[str, str], key)
        counts[row_text][status] = int(size)
    return pd.Series({row: {name: n for name, n in by_status.items() if n} for row, by_status in counts.items()})


def _best_first(rows: pd.DataFrame, *, higher_is_better: bool) -> pd.DataFrame:
    """Sort by mean score; equal scores and rows without a score by name."""
    order = rows["score"] * (-1 if higher_is_better else 1)
    by = ["order", "model", "model_version", "variant"]
    return rows.assign(order=order).sort_values(by, na_position="last").drop(columns="order")


def _variant_words(rows: pd.DataFrame) -> list[str]:
    """For each row, how it differs from the default settings and from the recipes of the model's other rows."""
    models = list(zip(rows["model"], rows["model_version"], strict=True))
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
    words += [f"{row.requested_threads} threads"] if row.requested_threads else []
    return words + ([] if pd.isna(row.budget_s) else [f"budget {row.budget_s:g} s"])


def _recipe_words(recipe: Any, recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """`key=value` for each setting that differs in any of the recipes."""
    return [f"{key}={value}" for key, value in recipe.items() if any(other.get(key, ...) != value for other in recipes)]
