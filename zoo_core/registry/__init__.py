"""Names to specs: what the installed plugins add, who pairs with whom, and suggestions for a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from zoo_core.entries import model_of_path, names_file, resolve_entry
from zoo_core.errors import AmbiguousNameError, IncompatibleError, RecipeError, UnknownNameError, UsageError
from zoo_core.kinds import KINDS, adapted_signature, kind_recipe
from zoo_core.recipe import parameters
from zoo_core.registry.plugins import ONLY, DisabledPlugin, FailedPlugin, Plugin, discover, installed
from zoo_core.specs import CommandSpec, DatasetSpec, ModelFamily, ModelSpec, TaskSpec, check_spec

Spec = TypeVar("Spec", TaskSpec, DatasetSpec, ModelSpec)


@dataclass(frozen=True, slots=True)
class Pair:
    """A task and a model that can be benchmarked together."""

    task: TaskSpec
    model: ModelSpec


@dataclass(frozen=True, slots=True)
class Registry:
    """All that the sound plugins add; `failed` and `disabled` name the others."""

    plugins: Sequence[Plugin]
    failed: Sequence[FailedPlugin]
    disabled: Sequence[DisabledPlugin] = ()

    @classmethod
    def load(cls) -> Registry:
        """Ask every installed plugin; imports no torch. A task of an unknown kind makes its plugin a failed one."""
        points, disabled = installed()
        found, failed = discover(points)
        sound: list[Plugin] = []
        datasets = {name for plugin in found for item in plugin.datasets for name in (item.name, item.qualified)}
        for plugin in found:
            fault = _fault(plugin, datasets)
            if fault:
                failed.append(FailedPlugin(name=plugin.name, version=plugin.version, reason=fault, traceback=""))
            else:
                sound.append(plugin)
        return cls(sound, failed, disabled)

    @property
    def versions(self) -> dict[str, str]:
        """The version of each plugin in use, by name."""
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

    def plugin(self, name: str) -> Plugin:
        for plugin in self.plugins:
            if plugin.name == name:
                return plugin
        self.refuse_unusable(name)
        raise UnknownNameError("plugin", name, [plugin.name for plugin in self.plugins], hint="`zoo list plugins`")

    def refuse_unusable(self, name: str) -> None:
        """Raise UsageError, with the reason, where a plugin of that name is installed and not in use."""
        for failed in self.failed:
            if failed.name == name:
                raise UsageError(f"plugin {name} did not load: {failed.reason}; `zoo doctor` shows where it failed")
        if name in [plugin.name for plugin in self.disabled]:
            raise UsageError(f"plugin {name} is disabled: {ONLY} does not name it")

    def task(self, name: str) -> TaskSpec:
        """The task of a bare or qualified name. Raises UnknownNameError, AmbiguousNameError."""
        return _pick("task", name, self.tasks)

    def dataset(self, name: str, near: str = "") -> DatasetSpec:
        """The data set of a name; a bare one means first that of the plugin `near`."""
        return _pick("dataset", name, self.datasets, near)

    def model(self, name: str, task: TaskSpec | None = None) -> ModelSpec:
        """The model of a name: for a bare one that of the task's plugin, else the only one of that name that fits.

        `./my_net.py:Net` is the model of a file, made for `task`.
        """
        if names_file(name):
            return model_of_path(name, task)
        family = self._family(name)
        if family is not None:
            return self._from_family(family, name)
        return _pick("model", name, self._fitting(name, task), task.plugin if task else "", known=self.models)

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
        check_spec(replace(spec, name=spec.name.replace("/", "-")))
        return replace(spec, plugin=family.plugin)

    def family_names(self, pattern: str) -> list[str]:
        """The members of every family that match a shell pattern; imports the families' code."""
        return [
            name
            for family in self.families
            if fnmatchcase(family.prefix, pattern.split("/")[0] + "/")
            for name in resolve_entry(family.entry).list(pattern)
        ]

    def datasets_of(self, task: TaskSpec) -> list[DatasetSpec]:
        """The task's data sets, the default first."""
        return [self.dataset(name, task.plugin) for name in task.datasets]

    def pairs(self, *, cross: bool = False) -> list[Pair]:
        """Every registered pair; with `cross` every pair whose kind and acceptance fit."""
        return [
            Pair(task, model)
            for task in self.tasks
            for model in self.models
            if (fits(model, task) and not self.refusal(model, task) if cross else is_registered(model, task))
        ]

    def models_for(self, task: TaskSpec) -> list[ModelSpec]:
        """The models registered for a task."""
        return [model for model in self.models if is_registered(model, task)]

    def refusal(
        self,
        model: ModelSpec,
        task: TaskSpec,
        dataset: DatasetSpec | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> str:
        """Why the model cannot take the task's data as far as the specs tell; empty if it can.

        Without a recipe that of the pair's defaults counts.
        """
        if recipe is None:
            recipe = _default_recipe(model, task)
        signature = (dataset or self.datasets_of(task)[0]).signature
        return model.accepts.refusal(adapted_signature(model, task, signature, recipe))

    def require_fit(
        self, model: ModelSpec, task: TaskSpec, dataset: DatasetSpec, recipe: Mapping[str, Any] | None = None
    ) -> None:
        """Raise IncompatibleError, with the reason, where the model cannot run on the task."""
        if not fits(model, task):
            if model.kind:
                form = f"kind {model.kind}"
            else:
                form = f"task {', '.join(model.tasks)}" if model.tasks else f"the tasks of plugin {model.plugin}"
            raise IncompatibleError(
                f"model {model.qualified} is made for {form}, task {task.qualified} is of kind {task.kind}; "
                f"`zoo list pairs` shows what fits"
            )
        reason = self.refusal(model, task, dataset, recipe)
        if reason:
            raise IncompatibleError(f"model {model.qualified} cannot take {dataset.qualified}: {reason}")


def _default_recipe(model: ModelSpec, task: TaskSpec) -> dict[str, Any]:
    """The pair's defaults; nothing where they contradict each other, which is told when the pair is to be run."""
    try:
        return {key: param.default for key, param in parameters(task, model, kind_recipe(task)).items()}
    except RecipeError:
        return {}


def _fault(plugin: Plugin, datasets: set[str]) -> str:
    """What a plugin's tasks name that nobody has: a kind, a data set; empty if nothing."""
    for task in plugin.tasks:
        if "/" not in task.kind and task.kind not in KINDS:
            return str(UnknownNameError("kind", task.kind, KINDS, hint=f"task {task.name}"))
        for name in task.datasets:
            if name not in datasets:
                return str(UnknownNameError("dataset", name, datasets, hint=f"task {task.name}"))
    return ""


def is_registered(model: ModelSpec, task: TaskSpec) -> bool:
    """Whether `zoo bench --all` runs this pair."""
    if model.tasks is not None:
        return task.qualified in model.tasks or task.name in model.tasks
    return model.plugin == task.plugin and (not model.kind or model.kind == task.kind)


def fits(model: ModelSpec, task: TaskSpec) -> bool:
    """Whether the pair can be tried: registered, or of the same kind."""
    return is_registered(model, task) or (bool(model.kind) and model.kind == task.kind)


def _pick(what: str, name: str, specs: Iterable[Spec], near: str = "", known: Iterable[Spec] = ()) -> Spec:
    specs = list(specs)
    named = [spec for spec in specs if name in (spec.name, spec.qualified)]
    preferred = [spec for spec in named if spec.plugin == near]
    if len(preferred) == 1:
        return preferred[0]
    if len(named) > 1:
        raise AmbiguousNameError(what, name, [spec.qualified for spec in named])
    if not named:
        pool = list(known) or specs
        names = [spec.qualified if ":" in name else spec.name for spec in pool]
        raise UnknownNameError(what, name, names, hint=f"`zoo list {what}s`")
    return named[0]
