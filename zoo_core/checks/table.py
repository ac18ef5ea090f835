"""Every check of the suite, in the order in which they run; `zoo check --list` and the reference print this table."""

from __future__ import annotations

from collections.abc import Iterable

from zoo_core.checks import Check, SubjectType
from zoo_core.checks.table_of_models import MODEL, hygiene

PLUGIN = (
    Check(
        name="loads",
        what="plugin",
        summary="it is imported, its hooks answer, and what it names exists",
        why="A plugin that does not load adds nothing; the zoo goes on without it.",
        fix="Read the reason; `zoo doctor` shows the traceback.",
        entry="zoo_core.checks.plugin:loads",
        apart=False,
    ),
    Check(
        name="torch-free",
        what="plugin",
        summary="finding it imports neither torch nor another heavy library",
        why="`zoo list` asks every plugin; one that imports torch costs each call three seconds.",
        fix="Move the import into the function that needs it, or into a module that only an `entry` names.",
        entry="zoo_core.checks.plugin:torch_free",
        needs=("loads",),
        apart=False,
    ),
    Check(
        name="metadata",
        what="plugin",
        summary="its package has a version, a summary and a licence",
        why="Records name the version; without a licence nobody may use the code.",
        fix="Fill in `version`, `description` and `license` in pyproject.toml, and install it again.",
        entry="zoo_core.checks.plugin:metadata",
        needs=("loads",),
        apart=False,
    ),
    Check(
        name="commands",
        what="plugin",
        summary="the entries of its commands resolve",
        why="A command that cannot be imported is told to the person who calls it, not to its author.",
        fix="Correct the `entry` of the CommandSpec.",
        entry="zoo_core.checks.plugin:commands",
        needs=("loads",),
    ),
    Check(
        name="families",
        what="plugin",
        summary="its families of models can list and resolve their members",
        why="A family is only asked when somebody names a member: a fault in it stays hidden until then.",
        fix="The entry needs `list(pattern)`, and `resolve(name)` that gives a ModelSpec for each name listed.",
        entry="zoo_core.checks.plugin:families",
        needs=("loads",),
    ),
)

DATASET = (
    Check(
        name="metadata",
        what="dataset",
        summary="licence, origin, source and layout are stated",
        why="Who cannot see where data are from and what may be done with them cannot use them.",
        fix="Fill in the DatasetSpec: `title`, `licence`, `homepage` of data that others made, `layout` of files.",
        entry="zoo_core.checks.dataset:metadata",
        apart=False,
    ),
    Check(
        name="checksums",
        what="dataset",
        summary="every download has a whole published checksum, and files that are here match it",
        why="Without one nobody knows whether two people train on the same data.",
        fix="Give `sha256` (64 hexadecimal digits) or `md5` (32); `sha256sum FILE` prints one.",
        entry="zoo_core.checks.dataset:checksums",
        apart=False,
    ),
    Check(
        name="entry",
        what="dataset",
        summary="its entry makes an object with `signature` and `load`",
        why="Everything else goes through this object.",
        fix="`entry` names a callable that takes the context: a class with `__init__(self, ctx)` will do.",
        entry="zoo_core.checks.dataset:entry",
    ),
    Check(
        name="splits",
        what="dataset",
        summary="train and test load as columns of one length, and an unknown split is refused",
        why="The runner asks for `val` too, and holds out a part of train only where that is refused.",
        fix="`load` returns a dict of arrays and raises UnknownSplitError for a split it does not have.",
        entry="zoo_core.checks.dataset:splits",
        needs=("entry",),
    ),
    Check(
        name="signature",
        what="dataset",
        summary="the loaded examples are of the form that the signatures state",
        why="Models are paired by the spec's signature and built by the opened one.",
        fix="Correct `input_shape`, `outputs` or `classes`: in the spec None where only the files tell.",
        entry="zoo_core.checks.dataset:signature",
        needs=("splits",),
    ),
    Check(
        name="splits-disjoint",
        what="dataset",
        summary="no example of train is also in val or test, nor one of val in test",
        why="A model that has seen the test examples is scored for its memory.",
        fix="Remove the copies from train, or keep the groups they are of whole.",
        entry="zoo_core.checks.dataset:splits_disjoint",
        needs=("splits",),
    ),
    Check(
        name="labels-in-range",
        what="dataset",
        summary="labels count from 0 to classes - 1, and train has every class",
        why="A label out of range crashes a GPU; a class without examples is not learned.",
        fix="Map labels to 0, 1, ... in the order of `classes`.",
        entry="zoo_core.checks.dataset:labels_in_range",
        needs=("splits",),
    ),
    Check(
        name="finite",
        what="dataset",
        summary="every number is finite",
        why="One nan in an input makes the whole training diverge.",
        fix="Remove or repair the examples that the message names.",
        entry="zoo_core.checks.dataset:finite",
        needs=("splits",),
    ),
    Check(
        name="order",
        what="dataset",
        summary="loading twice gives the same examples in the same order",
        why="The held-out part, the batches of a seed and the per-example results go by the order.",
        fix="Sort file names, and draw from a generator with a fixed seed: `numpy.random.default_rng(0)`.",
        entry="zoo_core.checks.dataset:order",
        needs=("splits",),
    ),
    *hygiene("dataset", "entry"),
)

TASK = (
    Check(
        name="metadata",
        what="task",
        summary="title, summary, version and something to compare a score with are stated",
        why="A score means nothing beside nothing: give others' figures, or what guessing scores and what is good.",
        fix="Fill in `title` and `summary`; `references` with their sources, or both `chance` and `target`.",
        entry="zoo_core.checks.task:metadata",
        apart=False,
    ),
    Check(
        name="recipe",
        what="task",
        summary="its recipe and its quick preset resolve",
        why="A key that does not exist stops every trial of the task.",
        fix="`zoo show TASK` and the reference list the keys of the kind and their types.",
        entry="zoo_core.checks.task:recipe",
        apart=False,
    ),
    Check(
        name="entry",
        what="task",
        summary="its body has `prepare`, `train` and `evaluate`",
        why="The runner calls these three.",
        fix="`entry` names a callable that takes the TaskSpec and returns such an object.",
        entry="zoo_core.checks.task:entry",
        needs=("recipe",),
    ),
    Check(
        name="trains",
        what="task",
        summary="training yields a Step after each optimizer step and ends by itself after as many as the recipe says",
        why="The runner counts, times and stops by these steps.",
        fix="`train` is a generator: `yield Step(n, logs)` after each of `recipe.steps` steps, logs scalar tensors.",
        entry="zoo_core.checks.task:trains",
        needs=("entry",),
    ),
    Check(
        name="scores",
        what="task",
        summary="val and test are scored in the task's metric with finite numbers",
        why="The board ranks by this number.",
        fix="`evaluate` returns an Evaluation whose `scores` hold the spec's `metric`.",
        entry="zoo_core.checks.task:scores",
        needs=("trains",),
    ),
    Check(
        name="direction",
        what="task",
        summary="the truth itself scores better than wrong answers, in the spec's direction",
        why="With the direction the wrong way round the worst model wins.",
        fix="Correct `higher_is_better`, or the metric.",
        entry="zoo_core.checks.task:direction",
        needs=("scores",),
    ),
    Check(
        name="test-sealed",
        what="task",
        summary="nothing opens the test split before the final score",
        why="What has been looked at cannot judge any more.",
        fix="`prepare` and `train` use `train` and `val`; `evaluate` opens the split that it is asked for.",
        entry="zoo_core.checks.task:test_sealed",
        needs=("scores",),
    ),
    Check(
        name="same-seed",
        what="task",
        summary="the same seed gives the same losses and weights, bit for bit",
        why="A result that cannot be repeated cannot be checked, and a fault in it not be found.",
        fix="Draw from `ctx.generator` alone.",
        entry="zoo_core.checks.task:same_seed",
        needs=("trains",),
    ),
    Check(
        name="other-seed",
        what="task",
        summary="another seed trains otherwise, from the same first weights",
        why="Three seeds that are one tell of a spread that is not there.",
        fix="Shuffle with `ctx.generator`, and never seed: the runner does.",
        entry="zoo_core.checks.task:other_seed",
        needs=("trains",),
    ),
    *hygiene("task", "entry"),
)

CHECKS: dict[SubjectType, tuple[Check, ...]] = {"plugin": PLUGIN, "dataset": DATASET, "task": TASK, "model": MODEL}


def find(what: SubjectType, name: str) -> Check:
    """The check of that name."""
    return next(check for check in CHECKS[what] if check.name == name)


def unknown(what: SubjectType, names: Iterable[str]) -> list[str]:
    """Those of `names` that no check of such a subject has."""
    known = {check.name for check in CHECKS[what]}
    return [name for name in names if name not in known]
