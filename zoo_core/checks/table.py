"""Every check of the suite, in the order in which they run. `zoo check --list` and the reference print this table."""

from __future__ import annotations

from collections.abc import Iterable

from zoo_core.checks import Check, CheckFailedError, SubjectType
from zoo_core.checks.model_table import MODEL_CHECKS, side_effect_checks

PLUGIN_CHECKS = (
    Check(
        name="loads",
        what="plugin",
        summary="the plugin can be imported, its hooks return valid specs, and it adds something",
        why="A plugin that does not load adds nothing. The zoo continues without it.",
        fix="Read the reason. `zoo doctor` shows the full traceback.",
        entry="zoo_core.checks.plugin:loads",
        in_worker=False,
    ),
    Check(
        name="torch-free",
        what="plugin",
        summary="listing the plugin imports neither torch nor another heavy library",
        why="`zoo list` loads every plugin. One plugin that imports torch adds three seconds to every call.",
        fix="Move the import into the function that uses it, or into a module that only an `entry` names.",
        entry="zoo_core.checks.plugin:torch_free",
        needs=("loads",),
        in_worker=False,
    ),
    Check(
        name="metadata",
        what="plugin",
        summary="the package states a version, a description and a licence",
        why="Records store the version. Without a licence, nobody may use the code.",
        fix="Fill in `version`, `description` and `license` in pyproject.toml, then install the package again.",
        entry="zoo_core.checks.plugin:metadata",
        needs=("loads",),
        in_worker=False,
    ),
    Check(
        name="commands",
        what="plugin",
        summary="the entry of every command can be imported and called",
        why="A broken command fails only when a user calls it.",
        fix="Correct the `entry` of the CommandSpec.",
        entry="zoo_core.checks.plugin:commands",
        needs=("loads",),
    ),
    Check(
        name="loggers",
        what="plugin",
        summary="the entry of every logger can be imported, and a class has the methods of a logger",
        why="A logger that cannot be made fails only during a benchmark, and nothing is logged.",
        fix="Correct the `entry` of the LoggerSpec, install what it `needs`, or write the missing method.",
        entry="zoo_core.checks.plugin:loggers",
        needs=("loads",),
    ),
    Check(
        name="executors",
        what="plugin",
        summary="the entry of every executor can be imported, and a class has the methods of an executor",
        why="An executor that cannot be made fails only when a run begins.",
        fix="Correct the `entry` of the ExecutorSpec, install what it `needs`, or write the missing method.",
        entry="zoo_core.checks.plugin:executors",
        needs=("loads",),
    ),
    Check(
        name="families",
        what="plugin",
        summary="every model family lists its members and resolves them",
        why="A broken member fails only when a user names it.",
        fix="The entry needs `list(pattern)`, and `resolve(name)` that returns a ModelSpec for each listed name.",
        entry="zoo_core.checks.plugin:families",
        needs=("loads",),
    ),
)

DATASET_CHECKS = (
    Check(
        name="metadata",
        what="dataset",
        summary="the spec states title, licence and origin, and a homepage or folder layout where one is needed",
        why="Users must know where the data come from and how they may use them.",
        fix="Fill in the DatasetSpec: `title`, `licence`, `homepage` for others' data, `layout` for local files.",
        entry="zoo_core.checks.dataset:metadata",
        in_worker=False,
    ),
    Check(
        name="checksums",
        what="dataset",
        summary="every download has a complete published checksum, and downloaded files match it",
        why="Without a checksum, two users cannot know whether they train on the same data.",
        fix="Give `sha256` (64 hexadecimal digits) or `md5` (32 digits). `sha256sum FILE` prints one.",
        entry="zoo_core.checks.dataset:checksums",
        in_worker=False,
    ),
    Check(
        name="entry",
        what="dataset",
        summary="the entry returns an object with `signature` and `load`",
        why="The zoo reads the data through this object.",
        fix="`entry` names a callable that takes the context, such as a class with `__init__(self, ctx)`.",
        entry="zoo_core.checks.dataset:entry",
    ),
    Check(
        name="splits",
        what="dataset",
        summary="train and test load as arrays of equal length, and an unknown split raises UnknownSplitError",
        why="The runner also asks for `val`. It holds out part of train only if `val` raises UnknownSplitError.",
        fix="`load` returns a dict of arrays. It raises UnknownSplitError for a split that does not exist.",
        entry="zoo_core.checks.dataset:splits",
        needs=("entry",),
    ),
    Check(
        name="signature",
        what="dataset",
        summary="the loaded examples match the signatures of the spec and of the loader",
        why="The zoo pairs models with the spec's signature and builds them with the loader's.",
        fix="Correct `input_shape`, `outputs` or `classes`. In the spec, None means that it depends on the files.",
        entry="zoo_core.checks.dataset:signature",
        needs=("splits",),
    ),
    Check(
        name="splits-disjoint",
        what="dataset",
        summary="no example is in two splits",
        why="A model that has trained on test examples is scored for memory, not for generalization.",
        fix="Remove the duplicates from train, or keep related examples together in one split.",
        entry="zoo_core.checks.dataset:splits_disjoint",
        needs=("splits",),
    ),
    Check(
        name="labels-in-range",
        what="dataset",
        summary="labels run from 0 to classes - 1, and train contains every class",
        why="A label out of range crashes a GPU. A class without examples cannot be learned.",
        fix="Map labels to 0, 1, ... in the order of `classes`.",
        entry="zoo_core.checks.dataset:labels_in_range",
        needs=("splits",),
    ),
    Check(
        name="finite",
        what="dataset",
        summary="every number is finite",
        why="One NaN in an input makes the training diverge.",
        fix="Remove or repair the examples that the message names.",
        entry="zoo_core.checks.dataset:finite",
        needs=("splits",),
    ),
    Check(
        name="order",
        what="dataset",
        summary="loading twice gives the same examples in the same order",
        why="The held-out split, the batches of a seed and the per-example results depend on the order.",
        fix="Sort file names. Draw random numbers from a generator with a fixed seed: `numpy.random.default_rng(0)`.",
        entry="zoo_core.checks.dataset:order",
        needs=("splits",),
    ),
    *side_effect_checks("dataset", "entry"),
)

TASK_CHECKS = (
    Check(
        name="metadata",
        what="task",
        summary="the spec states title, summary, unit, metric and a score to compare with",
        why="A score means nothing alone. Compare it with published results, or with chance level and a target.",
        fix="Fill in `title` and `summary`. Give `references` with their sources, or both `chance` and `target`.",
        entry="zoo_core.checks.task:metadata",
        in_worker=False,
    ),
    Check(
        name="recipe",
        what="task",
        summary="the recipe and its quick preset contain only known keys with valid values",
        why="An unknown key stops every trial of the task.",
        fix="`zoo show TASK` and the reference of recipe keys list the keys and their types.",
        entry="zoo_core.checks.task:recipe",
        in_worker=False,
    ),
    Check(
        name="entry",
        what="task",
        summary="the entry returns an object with `prepare`, `train` and `evaluate`",
        why="The runner calls these three methods.",
        fix="`entry` names a callable that takes the TaskSpec and returns such an object.",
        entry="zoo_core.checks.task:entry",
        needs=("recipe",),
    ),
    Check(
        name="trains",
        what="task",
        summary="training yields a Step after each optimizer step and stops after the recipe's number of steps",
        why="The runner counts, times and stops training by these steps.",
        fix="`train` is a generator: `yield Step(n, logs)` after each of `recipe.steps` steps. Log scalar tensors.",
        entry="zoo_core.checks.task:trains",
        needs=("entry",),
    ),
    Check(
        name="scores",
        what="task",
        summary="the scores of val and test include the task's metric, and its value is finite",
        why="The leaderboard ranks models by this number.",
        fix="`evaluate` returns an Evaluation whose `scores` contain the spec's `metric`.",
        entry="zoo_core.checks.task:scores",
        needs=("trains",),
    ),
    Check(
        name="direction",
        what="task",
        summary="perfect predictions score better than wrong ones, in the direction that the spec states",
        why="With the wrong direction, the worst model ranks first.",
        fix="Correct `higher_is_better`, or the metric.",
        entry="zoo_core.checks.task:direction",
        needs=("scores",),
    ),
    Check(
        name="test-sealed",
        what="task",
        summary="nothing opens the test split before the final score",
        why="A test split that training has used no longer measures generalization.",
        fix="`prepare` and `train` use `train` and `val`. `evaluate` opens only the split that it is given.",
        entry="zoo_core.checks.task:test_sealed",
        needs=("scores",),
    ),
    Check(
        name="same-seed",
        what="task",
        summary="the same seed gives the same losses and weights, bit for bit",
        why="A result that cannot be repeated cannot be verified or debugged.",
        fix="Draw random numbers only from `ctx.generator`.",
        entry="zoo_core.checks.task:same_seed",
        needs=("trains",),
    ),
    Check(
        name="other-seed",
        what="task",
        summary="another seed changes the training, even from the same initial weights",
        why="Otherwise every seed repeats one result, and the spread over seeds is too small.",
        fix="Shuffle with `ctx.generator`. Never set a seed: the runner does.",
        entry="zoo_core.checks.task:other_seed",
        needs=("trains",),
    ),
    *side_effect_checks("task", "entry"),
)

CHECKS: dict[SubjectType, tuple[Check, ...]] = {
    "plugin": PLUGIN_CHECKS,
    "dataset": DATASET_CHECKS,
    "task": TASK_CHECKS,
    "model": MODEL_CHECKS,
}


def find_check(what: SubjectType, name: str) -> Check:
    """Return the check of that name."""
    return next(check for check in CHECKS[what] if check.name == name)


def require_known_checks(what: SubjectType, names: Iterable[str]) -> None:
    """Raise CheckFailedError if `expected_failures` names a check that this type of subject does not have."""
    known = {check.name for check in CHECKS[what]}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CheckFailedError(f"expected_failures names unknown {what} checks: {', '.join(unknown)}")
