"""The registry: bare names, pairs of models and tasks, and families that are looked up only on demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import AmbiguousNameError, IncompatibleError, UnknownNameError
from zoo_core.registry import Pair, Registry, fits, is_registered
from zoo_core.registry.plugins import Plugin
from zoo_core.specs import Accepts, DatasetSpec, ModelSpec, Signature, TaskSpec

NUMBERS = Signature(input_shape=(1,), outputs=1)
IMAGE = Signature(input_shape=(3, 32, 32), outputs=10)


def task(name: str, plugin: str, kind: str = "regression", datasets: Sequence[str] = ("d",)) -> TaskSpec:
    return TaskSpec(
        name=name,
        title="",
        summary="",
        kind=kind,
        datasets=tuple(datasets),
        metric="m",
        higher_is_better=True,
        plugin=plugin,
    )


def dataset(name: str, plugin: str, signature: Signature = NUMBERS) -> DatasetSpec:
    return DatasetSpec(name=name, title="", origin="exact", licence="", signature=signature, entry="m:n", plugin=plugin)


def model(name: str, plugin: str, **changes: Any) -> ModelSpec:
    return ModelSpec(name=name, entry="m:n", plugin=plugin, **changes)


def registry(*specs: TaskSpec | DatasetSpec | ModelSpec) -> Registry:
    """A registry of these specs, sorted to their plugins."""

    def of(kind: type, plugin: str) -> Any:
        return tuple(spec for spec in specs if isinstance(spec, kind) and spec.plugin == plugin)

    names = dict.fromkeys(spec.plugin for spec in specs)
    return Registry(
        [
            Plugin(
                name=name,
                version="1",
                tasks=of(TaskSpec, name),
                datasets=of(DatasetSpec, name),
                models=of(ModelSpec, name),
            )
            for name in names
        ],
        [],
    )


def pairs(found: list[Pair]) -> set[tuple[str, str]]:
    return {(pair.task.qualified, pair.model.qualified) for pair in found}


TWO = registry(
    task("one", "a"), dataset("d", "a"), model("net", "a"),
    task("two", "b"), dataset("d", "b"), model("net", "b", kind="regression"),
)  # fmt: skip


def test_a_bare_model_means_that_of_the_tasks_plugin():
    assert TWO.model("net", TWO.task("one")).qualified == "a:net"
    assert TWO.model("net", TWO.task("two")).qualified == "b:net"


def test_a_bare_model_of_another_plugin_is_found_where_only_one_fits():
    with_other = registry(task("one", "a"), model("net", "b", kind="regression"), model("net", "c", kind="other"))
    assert with_other.model("net", with_other.task("one")).qualified == "b:net"


def test_a_bare_model_that_several_other_plugins_have_is_ambiguous():
    three = registry(task("one", "a"), model("net", "b", kind="regression"), model("net", "c", kind="regression"))
    with pytest.raises(AmbiguousNameError, match="model 'net' is ambiguous: say one of b:net, c:net"):
        three.model("net", three.task("one"))


def test_without_a_task_a_bare_model_of_two_plugins_is_ambiguous():
    with pytest.raises(AmbiguousNameError, match="a:net, b:net"):
        TWO.model("net")


def test_a_model_that_fits_nowhere_is_still_found_so_that_the_error_can_name_it():
    alone = registry(task("one", "a"), model("net", "b", kind="other"))
    assert alone.model("net", alone.task("one")).qualified == "b:net"


def test_a_qualified_name_means_just_that_one():
    assert TWO.model("b:net", TWO.task("one")).qualified == "b:net"
    assert TWO.task("a:one").qualified == "a:one"
    assert TWO.dataset("b:d").qualified == "b:d"


def test_a_bare_dataset_means_that_of_the_plugin_nearby():
    assert TWO.dataset("d", "b").qualified == "b:d"
    with pytest.raises(AmbiguousNameError, match="dataset 'd' is ambiguous: say one of a:d, b:d"):
        TWO.dataset("d")


def test_two_plugins_with_one_task_name_make_the_bare_name_ambiguous():
    both = registry(task("same", "a"), task("same", "b"))
    with pytest.raises(AmbiguousNameError, match="say one of a:same, b:same"):
        both.task("same")
    assert both.task("b:same").plugin == "b"


@pytest.mark.parametrize(("what", "near"), [("task", "one"), ("dataset", "d"), ("model", "net"), ("plugin", "a")])
def test_the_error_for_an_unknown_name_suggests_the_command_that_lists_names(what: str, near: str):
    with pytest.raises(UnknownNameError, match=rf"unknown {what} 'nothing-like-it'.*{near}.*`zoo list {what}s`"):
        getattr(TWO, what)("nothing-like-it")


def test_a_bare_unknown_name_suggests_bare_names_and_a_qualified_one_qualified_names():
    with pytest.raises(UnknownNameError, match=r"unknown model 'nett': did you mean net\?"):
        TWO.model("nett", TWO.task("one"))
    with pytest.raises(UnknownNameError, match=r"unknown model 'b:nett': did you mean b:net"):
        TWO.model("b:nett", TWO.task("one"))


def test_registered_pairs_are_within_a_plugin_and_cross_pairs_follow_the_kind():
    assert pairs(TWO.pairs()) == {("a:one", "a:net"), ("b:two", "b:net")}
    assert pairs(TWO.pairs(cross=True)) == {("a:one", "a:net"), ("b:two", "b:net"), ("a:one", "b:net")}


def test_cross_pairs_leave_out_what_the_model_does_not_accept():
    wide = registry(
        task("photo", "a", "image-classification"),
        dataset("d", "a", IMAGE),
        model("large", "b", kind="image-classification", accepts=Accepts(min_size=300)),
        model("any", "b", kind="image-classification"),
        model("fixed", "b", kind="image-classification", accepts=Accepts(fixed_size=28)),
    )
    # images are brought to the only size a model takes
    assert pairs(wide.pairs(cross=True)) == {("a:photo", "b:any"), ("a:photo", "b:fixed")}


def test_a_model_may_name_tasks_of_another_plugin():
    for name in ("one", "a:one"):
        named = registry(task("one", "a"), task("own", "b"), model("net", "b", tasks=(name,)))
        assert pairs(named.pairs()) == {("a:one", "b:net")}
        assert named.models_for(named.task("one")) == [named.model("net")]
        assert named.models_for(named.task("own")) == []


def test_a_model_that_names_no_task_is_registered_nowhere():
    assert pairs(registry(task("one", "a"), model("net", "a", tasks=())).pairs()) == set()


def test_a_model_with_a_kind_is_registered_only_on_its_plugins_tasks_of_that_kind():
    mixed = registry(task("one", "a"), task("photo", "a", "image-classification"), model("net", "a", kind="regression"))
    assert pairs(mixed.pairs()) == {("a:one", "a:net")}


def test_a_pair_fits_where_it_is_registered_or_of_one_kind():
    one = task("one", "a")
    assert is_registered(model("net", "a"), one)
    assert fits(model("net", "b", kind="regression"), one)
    assert not fits(model("net", "b"), one)
    assert not fits(model("net", "b", kind="other"), one)


def test_a_task_with_an_unknown_dataset_disables_only_its_own_plugin(make_plugin: Callable[..., Path]):
    make_plugin(
        "zoo-lost",
        """
        from zoo_core import ModelSpec, TaskSpec, hookimpl

        @hookimpl
        def zoo_tasks():
            return [TaskSpec(name="lost", title="", summary="", kind="regression", datasets=("nowhere",), metric="mse",
                             higher_is_better=False)]

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="net", entry="zoo_lost:net")]
        """,
    )
    loaded = Registry.load()
    assert [failed.name for failed in loaded.failed] == ["zoo-lost"]
    assert "nowhere" in loaded.failed[0].reason
    assert ("zoo-cosine:cosine", "zoo-cosine:mlp") in pairs(loaded.pairs(cross=True))


def test_the_datasets_of_a_task_come_in_its_order_the_default_first():
    ordered = registry(task("one", "a", datasets=("z", "b:y")), dataset("y", "b"), dataset("z", "a"), dataset("z", "b"))
    assert [found.qualified for found in ordered.datasets_of(ordered.task("one"))] == ["a:z", "b:y"]


def test_a_model_that_fits_is_let_pass():
    TWO.require_fit(TWO.model("b:net"), TWO.task("one"), TWO.dataset("a:d"))


def test_a_model_of_another_kind_is_refused_with_both_kinds():
    other = model("net", "b", kind="segmentation")
    with pytest.raises(
        IncompatibleError, match="b:net is made for kind segmentation, task a:one is of kind regression"
    ):
        TWO.require_fit(other, TWO.task("one"), TWO.dataset("a:d"))


def test_a_model_made_for_named_tasks_is_refused_with_their_names():
    other = model("net", "b", tasks=("two", "three"))
    with pytest.raises(IncompatibleError, match="b:net is made for task two, three, task a:one"):
        TWO.require_fit(other, TWO.task("one"), TWO.dataset("a:d"))


def test_a_model_without_kind_and_tasks_is_refused_with_the_plugin_whose_tasks_it_is_made_for():
    with pytest.raises(IncompatibleError) as caught:
        TWO.require_fit(TWO.model("a:net"), TWO.task("two"), TWO.dataset("b:d"))
    assert "made for task ," not in str(caught.value)
    assert "own" in str(caught.value) or "plugin a" in str(caught.value)


def test_a_model_that_cannot_take_the_data_is_refused_with_the_reason():
    wide = model("net", "a", accepts=Accepts(channels=(1,)))
    photos = dataset("photos", "a", IMAGE)
    with pytest.raises(IncompatibleError, match="a:net cannot take a:photos: it takes 1 channels, the data have 3"):
        TWO.require_fit(wide, TWO.task("one"), photos)


FAMILY = """
    from zoo_core import ModelFamily, hookimpl

    @hookimpl
    def zoo_models():
        return [ModelFamily(prefix="fam/", title="A family", entry="zoo_fam_code:family")]
"""
FAMILY_CODE = """
from fnmatch import filter
from types import SimpleNamespace
from zoo_core import ModelSpec

NAMES = ["fam/small", "fam/large"]
family = SimpleNamespace(
    resolve=lambda name: ModelSpec(name=name, entry="zoo_fam_code:build", kind="regression"),
    list=lambda pattern: filter(NAMES, pattern),
)
"""


@pytest.fixture
def family(make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """A plugin with the family `fam/`; the name of the module that knows its members."""
    folder = make_plugin("zoo-fam", FAMILY)
    (folder / "zoo_fam_code.py").write_text(FAMILY_CODE)
    monkeypatch.delitem(sys.modules, "zoo_fam_code", raising=False)
    return "zoo_fam_code"


@pytest.mark.parametrize("name", ["fam/small", "zoo-fam:fam/small"])
def test_a_member_of_a_family_is_resolved_by_its_code(name: str, family: str):
    found = Registry.load().model(name)
    assert (found.name, found.qualified) == ("fam/small", "zoo-fam:fam/small")
    assert family in sys.modules


def test_a_family_is_not_imported_by_anything_that_does_not_ask_for_it(family: str):
    loaded = Registry.load()
    loaded.pairs(cross=True)
    loaded.model("mlp", loaded.task("cosine"))
    with pytest.raises(UnknownNameError):
        loaded.model("other/small")
    assert loaded.family_names("other/*") == []
    assert family not in sys.modules


def test_a_familys_members_are_listed_by_pattern(family: str):
    assert Registry.load().family_names("fam/s*") == ["fam/small"]
    assert Registry.load().family_names("fam/*") == ["fam/small", "fam/large"]


def test_zoo_list_models_shows_a_family_as_its_prefix_and_does_not_import_it(zoo: Callable[..., Any], family: str):
    for words in (["list", "models"], ["list", "plugins"], ["list", "pairs"], ["list"]):
        assert zoo(*words).code == 0
    listed = zoo("list", "models").out
    assert "fam/*" in listed
    assert "A family" in listed
    assert family not in sys.modules


def test_zoo_list_models_with_the_prefix_lists_its_members(zoo: Callable[..., Any], family: str):
    rows = json.loads(zoo("list", "models", "fam/l*", "--json").out)
    assert [row["model"] for row in rows] == ["fam/large"]
    assert family in sys.modules


@pytest.mark.parametrize("name", ["fam/small", "zoo-fam:fam/small"])
def test_zoo_show_shows_a_member_of_a_family(zoo: Callable[..., Any], name: str, family: str):
    shown = zoo("show", name)
    assert shown.code == 0, shown.err
    assert "fam/small" in shown.out
