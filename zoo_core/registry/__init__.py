"""The registry: finds specs by name, pairs tasks with models, and suggests similar names for an unknown one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from zoo_core.entries import model_of_path, names_file, resolve_entry
from zoo_core.errors import (
    AmbiguousNameError,
    IncompatibleError,
    RecipeError,
    UnknownNameError,
    UsageError,
    near_names,
)
from zoo_core.kinds import KINDS, adapted_signature, kind_recipe
from zoo_core.recipe import parameters
from zoo_core.registry.plugins import LOAD_ONLY, DisabledPlugin, FailedPlugin, Plugin, discover, installed
from zoo_core.registry.tampering import list_originals
from zoo_core.registry.validate import validate_spec
from zoo_core.specs import CommandSpec, DatasetSpec, ExecutorSpec, LoggerSpec, ModelFamily, ModelSpec, TaskSpec

MAX_ADVISED = 5  # models that an error names

# What runs trials unless `--executor` names another: the workers of this machine, which need no entry.
LOCAL = ExecutorSpec(
    name="local", summary="Worker processes on this machine", entry="zoo_core.runner.jobs:run_trials", plugin="zoo-core"
)

Spec = TypeVar("Spec", TaskSpec, DatasetSpec, ModelSpec, LoggerSpec, ExecutorSpec)


@dataclass(frozen=True, slots=True)
class Pair:
    """A task and a model to benchmark on it."""

    task: TaskSpec
    model: ModelSpec


@dataclass(frozen=True, slots=True)
class Registry:
    """The specs of all usable plugins; `failed` and `disabled` list the other installed plugins."""

    plugins: Sequence[Plugin]
    failed: Sequence[FailedPlugin]
    disabled: Sequence[DisabledPlugin] = ()

    @classmethod
    def load(cls, only: Collection[str] | None = None) -> Registry:
        """Load the installed plugins, without torch. A plugin whose task has an unknown kind counts as failed.

        only: the names of the plugins to load, by default all. Data sets of tasks may then be those of other plugins.
        """
        points, disabled = installed()
        if only is None:
            loaded, failed = discover(points, list_originals())
        else:  # in a trial, which checks at its end what was replaced
            loaded, failed = discover([point for point in points if point.name in only])
        usable: list[Plugin] = []
        datasets = {name for plugin in loaded for item in plugin.datasets for name in (item.name, item.qualified)}
        if only is not None:
            datasets |= {name for plugin in loaded for task in plugin.tasks for name in task.datasets}
        for plugin in loaded:
            problem = _unknown_kind_or_dataset(plugin, datasets)
            if problem:
                failed.append(FailedPlugin(name=plugin.name, version=plugin.version, reason=problem, traceback=""))
            else:
                usable.append(plugin)
        return cls(usable, failed, disabled)

    @property
    def versions(self) -> dict[str, str]:
        """The version of each usable plugin, by name."""
        return {plugin.name: plugin.version for plugin in self.plugins}

    @property
    def tasks(self) -> list[TaskSpec]:
        return [task for plugin in self.plugins for task in plugin.tasks]

    @property
    def datasets(self) -> list[DatasetSpec]:
        return [dataset for plugin in self.plugins for dataset in plugin.datasets]

    @property
    def models(self) -> list[ModelSpec]:
        return [model for plugin in self.plugins for model in plugin.models]

    @property
    def families(self) -> list[ModelFamily]:
        return [family for plugin in self.plugins for family in plugin.families]

    @property
    def commands(self) -> list[CommandSpec]:
        return [command for plugin in self.plugins for command in plugin.commands]

    @property
    def loggers(self) -> list[LoggerSpec]:
        return [logger for plugin in self.plugins for logger in plugin.loggers]

    @property
    def executors(self) -> list[ExecutorSpec]:
        return [LOCAL, *(executor for plugin in self.plugins for executor in plugin.executors)]

    def plugin(self, name: str) -> Plugin:
        for plugin in self.plugins:
            if plugin.name == name:
                return plugin
        self.refuse_unusable(name)
        raise UnknownNameError("plugin", name, [plugin.name for plugin in self.plugins], hint="`zoo list plugins`")

    def refuse_unusable(self, name: str) -> None:
        """Raise UsageError, with the reason, if a plugin of that name is installed but failed or disabled."""
        for failed in self.failed:
            if failed.name == name:
                raise UsageError(f"plugin {name} did not load: {failed.reason}; `zoo doctor` shows where it failed")
        if name in [plugin.name for plugin in self.disabled]:
            raise UsageError(f"plugin {name} is disabled: {LOAD_ONLY} does not name it")

    def task(self, name: str) -> TaskSpec:
        """Find a task by bare or qualified name. Raises UnknownNameError, AmbiguousNameError."""
        return _find_by_name("task", name, self.tasks)

    def tasks_named(self, words: Iterable[str]) -> list[TaskSpec]:
        """Find tasks by names and shell patterns, such as `a*`, each once and in the order of the words.

        Raises UnknownNameError, also for a pattern that matches no task, AmbiguousNameError.
        """
        found: dict[str, TaskSpec] = {}
        for word in words:
            specs = [spec for spec in self.tasks if fnmatchcase(spec.name, word) or fnmatchcase(spec.qualified, word)]
            for spec in specs if is_pattern(word) and specs else [self.task(word)]:
                found[spec.qualified] = spec
        return list(found.values())

    def dataset(self, name: str, plugin: str = "") -> DatasetSpec:
        """Find a data set by name. For a bare name, one of `plugin` comes first."""
        return _find_by_name("dataset", name, self.datasets, plugin)

    def logger(self, name: str) -> LoggerSpec:
        """Find a logger by bare or qualified name. Raises UnknownNameError, AmbiguousNameError."""
        return _find_by_name("logger", name, self.loggers)

    def executor(self, name: str) -> ExecutorSpec:
        """Find an executor by bare or qualified name. Raises UnknownNameError, AmbiguousNameError."""
        return _find_by_name("executor", name, self.executors)

    def model(self, name: str, task: TaskSpec | None = None) -> ModelSpec:
        """Find a model of an installed plugin by name, never a file: the name may come from a file of anyone.

        A bare name means that of the task's plugin, else the only fitting one of that name.
        """
        family = self._family(name)
        if family is not None:
            return self._from_family(family, name)
        return _find_by_name("model", name, self._fitting(name, task), task.plugin if task else "", known=self.models)

    def model_or_file(self, name: str, task: TaskSpec | None = None) -> ModelSpec:
        """Find a model that the person named in this very call: `./my_net.py:Net` is the model in a file, for `task`.

        Never pass a name out of a checkpoint or a record: the file that it names would run.
        """
        return model_of_path(name, task) if names_file(name) else self.model(name, task)

    def _fitting(self, name: str, task: TaskSpec | None) -> list[ModelSpec]:
        named = [model for model in self.models if name in (model.name, model.qualified)]
        fitting = [model for model in named if task is None or fits(model, task)]
        return fitting or named

    def _family(self, name: str) -> ModelFamily | None:
        bare = name.partition(":")[2] if ":" in name.partition("/")[0] else name
        for family in self.families:
            if bare.startswith(family.prefix) and name in (bare, f"{family.plugin}:{bare}"):
                return family
        return None

    def _from_family(self, family: ModelFamily, name: str) -> ModelSpec:
        bare = name.removeprefix(f"{family.plugin}:")
        spec: ModelSpec = resolve_entry(family.entry).resolve(bare)
        spec = replace(spec, plugin=family.plugin)
        validate_spec(replace(spec, name=spec.name.replace("/", "-")))
        return spec

    def family_names(self, pattern: str) -> list[str]:
        """List the members of all families that match a shell pattern; this imports the code of the families."""
        return [
            name
            for family in self.families
            if fnmatchcase(family.prefix, pattern.split("/")[0] + "/")
            for name in resolve_entry(family.entry).list(pattern)
        ]

    def datasets_of(self, task: TaskSpec) -> list[DatasetSpec]:
        """List the task's data sets, the default first."""
        return [self.dataset(name, task.plugin) for name in task.datasets]

    def pairs(self, *, cross: bool = False) -> list[Pair]:
        """List all registered pairs; with `cross`, all pairs of one kind whose model accepts the inputs."""
        return [
            Pair(task, model)
            for task in self.tasks
            for model in self.models
            if (fits(model, task) and not self.refusal(model, task) if cross else is_registered(model, task))
        ]

    def models_for(self, task: TaskSpec) -> list[ModelSpec]:
        """List the models that are registered for a task."""
        return [model for model in self.models if is_registered(model, task)]

    def fitting(self, task: TaskSpec) -> list[ModelSpec]:
        """List the models that can run on a task's default data, those that are registered for the task first."""
        models = [model for model in self.models if fits(model, task) and not self.refusal(model, task)]
        return sorted(models, key=lambda model: not is_registered(model, task))

    def fit_advice(self, task: TaskSpec, name: str = "") -> str:
        """Name models that can run on a task, those with a name like `name` first, and the command that lists them."""
        names = [model.name if model.plugin == task.plugin else model.qualified for model in self.fitting(task)]
        if not names:
            return f"no installed model fits: write one for kind {task.kind}, --model ./FILE.py:NAME (`zoo new --help`)"
        first = list(dict.fromkeys([*near_names(name, names), *names]))[:MAX_ADVISED]
        more = ", ..." if len(names) > len(first) else ""
        return f"these models fit: {', '.join(first)}{more} (`zoo list models --for {task.name}`)"

    def refusal(
        self,
        model: ModelSpec,
        task: TaskSpec,
        dataset: DatasetSpec | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> str:
        """Return why the model cannot take the task's data, as far as the specs show; "" if it can.

        recipe: by default that of the pair.
        """
        if recipe is None:
            recipe = _default_recipe(model, task)
        signature = (dataset or self.datasets_of(task)[0]).signature
        return model.accepts.refusal(adapted_signature(model, task, signature, recipe))

    def require_fit(
        self, model: ModelSpec, task: TaskSpec, dataset: DatasetSpec, recipe: Mapping[str, Any] | None = None
    ) -> None:
        """Raise IncompatibleError, with the reason, if the model cannot run on the task."""
        if not fits(model, task):
            if model.kind:
                made_for = f"kind {model.kind}"
            else:
                made_for = f"task {', '.join(model.tasks)}" if model.tasks else f"the tasks of plugin {model.plugin}"
            raise IncompatibleError(
                f"model {model.qualified} is made for {made_for}, task {task.qualified} is of kind {task.kind}; "
                f"{self.fit_advice(task, model.name)}"
            )
        reason = self.refusal(model, task, dataset, recipe)
        if reason:
            advice = self.fit_advice(task, model.name)
            raise IncompatibleError(f"model {model.qualified} cannot take {dataset.qualified}: {reason}; {advice}")


def is_pattern(word: str) -> bool:
    """Return whether a word is a shell pattern rather than a name.

    >>> is_pattern("a*"), is_pattern("a")
    (True, False)
    """
    return any(letter in word for letter in "*?[")


def _default_recipe(model: ModelSpec, task: TaskSpec) -> dict[str, Any]:
    """Return the pair's defaults; an empty recipe if they conflict, which is an error only when the pair runs."""
    try:
        return {key: param.default for key, param in parameters(task, model, kind_recipe(task)).items()}
    except RecipeError:
        return {}


def _unknown_kind_or_dataset(plugin: Plugin, datasets: set[str]) -> str:
    """Return an error message if a task of the plugin names an unknown kind or data set, else ""."""
    for task in plugin.tasks:
        if "/" not in task.kind and task.kind not in KINDS:
            return str(UnknownNameError("kind", task.kind, KINDS, hint=f"task {task.name}"))
        for name in task.datasets:
            if name not in datasets:
                return str(UnknownNameError("dataset", name, datasets, hint=f"task {task.name}"))
    return ""


def is_registered(model: ModelSpec, task: TaskSpec) -> bool:
    """Return whether `zoo bench --all` runs this pair."""
    if model.tasks is not None:
        return task.qualified in model.tasks or task.name in model.tasks
    return model.plugin == task.plugin and (not model.kind or model.kind == task.kind)


def fits(model: ModelSpec, task: TaskSpec) -> bool:
    """Return whether the pair can be run: it is registered, or both have the same kind."""
    return is_registered(model, task) or (bool(model.kind) and model.kind == task.kind)


def _find_by_name(what: str, name: str, specs: Iterable[Spec], plugin: str = "", known: Iterable[Spec] = ()) -> Spec:
    """Find a spec by bare or qualified name. For a bare name, one of `plugin` comes first.

    known: all specs, for the suggestions in the error. Raises UnknownNameError, AmbiguousNameError.
    """
    specs = list(specs)
    named = [spec for spec in specs if name in (spec.name, spec.qualified)]
    preferred = [spec for spec in named if spec.plugin == plugin]
    if len(preferred) == 1:
        return preferred[0]
    if len(named) > 1:
        raise AmbiguousNameError(what, name, [spec.qualified for spec in named])
    if not named:
        pool = list(known) or specs
        names = [spec.qualified if ":" in name else spec.name for spec in pool]
        raise UnknownNameError(what, name, names, hint=f"`zoo list {what}s`")
    return named[0]
