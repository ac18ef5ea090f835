"""Chooses the pairs of task and model that a call names: by names, patterns, kinds, and what to leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zoo_core.entries import names_file
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Pair, Registry, fits, is_pattern
from zoo_core.specs import ModelSpec, TaskSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The words that choose pairs.

    tasks: names and patterns such as `a*`. models: the same, or specs of models without a package; empty for all of
        the task. kinds: keep only tasks of these. exclude: names and patterns; pairs with such a task or model are left
        out.
    """

    tasks: Sequence[str] = ()
    models: Sequence[str | ModelSpec] = ()
    all_pairs: bool = False
    cross: bool = False
    kinds: Sequence[str] = ()
    exclude: Sequence[str] = ()

    @property
    def names_tasks(self) -> bool:
        """Whether every task is named, so that one that cannot run is a mistake."""
        return bool(self.tasks) and not any(map(is_pattern, self.tasks))

    @property
    def names_models(self) -> bool:
        """Whether every model is named, so that one that cannot run is a mistake."""
        return bool(self.models) and not any(map(_is_pattern_of_models, self.models))


def is_one_name(tasks: Sequence[str]) -> bool:
    """Return whether the words name one task, rather than several or a pattern."""
    return len(tasks) == 1 and not is_pattern(tasks[0])


def choose_pairs(registry: Registry, chosen: Selection) -> list[Pair]:
    """Choose the pairs to run. Raises UsageError if there are none, or if the words contradict each other."""
    tasks = _choose_tasks(registry, chosen)
    if chosen.all_pairs or (not chosen.tasks and chosen.kinds):
        pairs = [pair for pair in registry.pairs(cross=chosen.cross) if pair.task in tasks]
    elif chosen.models and is_one_name(chosen.tasks) and not any(map(_is_pattern_of_models, chosen.models)):
        pairs = [Pair(tasks[0], model) for model in _named_models(registry, chosen.models, tasks[0])]
        return _require_some(_without(pairs, chosen.exclude), registry, chosen, tasks)
    else:
        pairs = [Pair(task, model) for task in tasks for model in registry.models_for(task)]
    if chosen.models:
        pairs = _matching(registry, pairs, tasks, chosen.models)
    return _require_some(_without(pairs, chosen.exclude), registry, chosen, tasks)


def _choose_tasks(registry: Registry, chosen: Selection) -> list[TaskSpec]:
    """Return the tasks that the words name. Raises UsageError, UnknownNameError."""
    if (chosen.all_pairs and chosen.tasks) or not (chosen.all_pairs or chosen.tasks or chosen.kinds):
        raise UsageError("name a task, or give --all: `zoo list` shows the tasks")
    if chosen.cross and not (chosen.all_pairs or not chosen.tasks):
        advice = registry.fit_advice(registry.tasks_named(chosen.tasks)[0])
        raise UsageError(f"--cross goes with --all; for task {chosen.tasks[0]}, name each model with --model: {advice}")
    tasks = registry.tasks_named(chosen.tasks) if chosen.tasks else registry.tasks
    known = {task.kind for task in registry.tasks}
    for kind in chosen.kinds:
        if kind not in known:
            raise UnknownNameError("kind", kind, known, hint="`zoo list tasks` shows the kind of each task")
    kept = [task for task in tasks if not chosen.kinds or task.kind in chosen.kinds]
    if not kept:
        kinds = ", ".join(sorted({task.kind for task in tasks}))
        raise UsageError(f"--kind {' --kind '.join(chosen.kinds)} leaves no task: the named ones are of kind {kinds}")
    return kept


def _is_pattern_of_models(model: str | ModelSpec) -> bool:
    return isinstance(model, str) and not names_file(model) and is_pattern(model)


def _named_models(registry: Registry, models: Sequence[str | ModelSpec], task: TaskSpec) -> list[ModelSpec]:
    """Find each model of one task by its name. Raises UnknownNameError, UsageError."""
    named = [model if isinstance(model, ModelSpec) else registry.model_or_file(model, task) for model in models]
    entries: dict[str, str] = {}
    for model in named:  # two files may give their models one name, which would mix up their records
        if entries.setdefault(model.qualified, model.entry) != model.entry:
            raise UsageError(f"two of these models would be called {model.qualified}: rename one, or its file")
    return named


def _matching(
    registry: Registry, pairs: Sequence[Pair], tasks: Sequence[TaskSpec], models: Sequence[str | ModelSpec]
) -> list[Pair]:
    """Keep the pairs whose model a word names; a plain name also pairs models with tasks that they fit.

    Raises UsageError for a file, UnknownNameError for a word that names no model of these tasks.
    """
    found: dict[tuple[str, str], Pair] = {}
    for word in models:
        if not isinstance(word, str) or names_file(word):
            raise UsageError("a model without a package goes with one named task, not with several, a pattern or --all")
        named = [pair for pair in pairs if _has_name(pair.model, word)]
        if not named and not is_pattern(word):
            named = [Pair(task, model) for task in tasks for model in _fitting(registry, word, task)]
        if not named:
            names = sorted({model.name for task in tasks for model in registry.models_for(task)})
            raise UnknownNameError("model", word, names, hint="for these tasks; `zoo list pairs` lists their models")
        found |= {(pair.task.qualified, pair.model.qualified): pair for pair in named}
    in_order = {(pair.task.qualified, pair.model.qualified): number for number, pair in enumerate(pairs)}
    return [found[key] for key in sorted(found, key=lambda key: in_order.get(key, len(in_order)))]


def _fitting(registry: Registry, name: str, task: TaskSpec) -> list[ModelSpec]:
    """Return the models of this name that fit a task but are not registered for it."""
    return [model for model in registry.models if _has_name(model, name) and fits(model, task)]


def _has_name(model: ModelSpec, word: str) -> bool:
    return fnmatchcase(model.name, word) or fnmatchcase(model.qualified, word)


def _without(pairs: Sequence[Pair], exclude: Iterable[str]) -> list[Pair]:
    """Leave out the pairs whose task or model has an excluded name. Raises UsageError for a word that none has."""
    words = list(exclude)
    unused, kept = set(words), []
    for pair in pairs:
        names = [name for spec in (pair.task, pair.model) for name in (spec.name, spec.qualified)]
        fitting = {word for word in words if any(fnmatchcase(name, word) for name in names)}
        unused -= fitting
        if not fitting:
            kept.append(pair)
    if unused:
        raise UsageError(f"--exclude {min(unused)!r}: no task or model of this call has such a name; `zoo list pairs`")
    if words and not kept:
        raise UsageError(f"--exclude {' --exclude '.join(words)} leaves nothing to run")
    return kept


def _require_some(pairs: list[Pair], registry: Registry, chosen: Selection, tasks: Sequence[TaskSpec]) -> list[Pair]:
    """Return the pairs. Raises UsageError if there are none."""
    if pairs:
        return pairs
    if not chosen.tasks:
        raise UsageError("there is nothing to run: no installed plugin adds a task with a model (`zoo list`)")
    advice = registry.fit_advice(tasks[0])
    raise UsageError(f"no model is registered for task {chosen.tasks[0]}, so name one: {advice}")
