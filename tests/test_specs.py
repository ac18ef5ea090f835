"""Metadata: what is refused, what a model accepts, and entries that are named and resolved but not imported early."""

from __future__ import annotations

import dataclasses
import string
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.entries import resolve_entry, source_file
from zoo_core.errors import EntryError, InvalidSpecError
from zoo_core.registry.validate import validate_spec
from zoo_core.specs import (
    Accepts,
    CommandSpec,
    DatasetSpec,
    Download,
    ModelFamily,
    ModelSpec,
    Param,
    Reference,
    Signature,
    TaskSpec,
)

IMAGE = Signature(input_shape=(3, 32, 32), outputs=10)
FIRST = string.ascii_lowercase + string.digits
MANY = settings(max_examples=40, deadline=None)
GOOD_NAME = st.builds(str.__add__, st.sampled_from(FIRST), st.text(FIRST + "._-", max_size=63))


def task(**changes: Any) -> TaskSpec:
    fields = {
        "name": "t",
        "title": "T",
        "summary": "",
        "kind": "regression",
        "datasets": ("d",),
        "metric": "mse",
        "higher_is_better": False,
    }
    return TaskSpec(**(fields | changes))


def dataset(**changes: Any) -> DatasetSpec:
    fields = {"name": "d", "title": "D", "origin": "exact", "licence": "CC0-1.0", "signature": IMAGE, "entry": "m:n"}
    return DatasetSpec(**(fields | changes))


def of_each_type(name: str) -> list[Any]:
    return [
        task(name=name),
        dataset(name=name),
        ModelSpec(name=name, entry="m:n"),
        ModelFamily(prefix=f"{name}/", title="", entry="m:n"),
        CommandSpec(name=name, help="", entry="m:n"),
    ]


@MANY
@given(GOOD_NAME)
def test_names_of_small_letters_digits_and_three_signs_are_taken(name: str):
    for spec in of_each_type(name):
        validate_spec(spec)


@MANY
@given(st.text(max_size=70))
def test_every_other_name_is_refused_and_named(name: str):
    well_formed = name[:1] in set(FIRST) and set(name) <= set(FIRST + "._-") and len(name) <= 64
    for spec in of_each_type(name):
        if isinstance(spec, ModelFamily) and name.endswith("/"):
            continue  # the slash at the end is the prefix's own
        if name and well_formed:
            validate_spec(spec)
        else:
            with pytest.raises(InvalidSpecError, match="begin with a letter or digit") as caught:
                validate_spec(spec)
            assert type(spec).__name__ in str(caught.value)


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../up", "a/b", "a:b", "-a", ".a", "a\n", "é", "a" * 65])
def test_a_name_that_could_be_a_path_or_an_option_is_refused(name: str):
    with pytest.raises(InvalidSpecError):
        validate_spec(task(name=name))


def test_a_name_of_64_characters_is_taken():
    validate_spec(task(name="a" * 64))


def test_a_task_without_a_dataset_is_refused():
    with pytest.raises(InvalidSpecError, match="task t: `datasets` is empty"):
        validate_spec(task(datasets=()))


def test_datasets_given_as_one_text_instead_of_a_tuple_are_refused():
    """`datasets=("mnist")` is a text in Python; read letter by letter it would name five data sets."""
    with pytest.raises(InvalidSpecError, match="datasets"):
        validate_spec(task(datasets="mnist"))


def test_a_kind_of_the_plugins_own_needs_an_entry():
    with pytest.raises(InvalidSpecError, match="'zoo-x/own' is no shared kind, so `entry`"):
        validate_spec(task(kind="zoo-x/own"))
    validate_spec(task(kind="zoo-x/own", entry="zoo_x:Body"))


@pytest.mark.parametrize("entry", ["", "module", "module.name", "module:", ":name", ":"])
def test_an_entry_without_a_module_or_a_name_is_refused(entry: str):
    for spec in (
        dataset(entry=entry),
        ModelSpec(name="m", entry=entry),
        ModelFamily(prefix="f/", title="", entry=entry),
        CommandSpec(name="c", help="", entry=entry),
    ):
        with pytest.raises(InvalidSpecError, match=r"package\.module:name"):
            validate_spec(spec)


def test_a_tasks_own_entry_is_held_to_the_same_form():
    with pytest.raises(InvalidSpecError, match=r"package\.module:name"):
        validate_spec(task(kind="zoo-x/own", entry="zoo_x.Body"))


def test_a_spec_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        task().name = "other"  # type: ignore[misc]


def test_a_qualified_name_holds_the_plugin():
    assert task(plugin="zoo-x").qualified == "zoo-x:t"
    assert dataset(plugin="zoo-x").qualified == "zoo-x:d"
    assert ModelSpec(name="m", entry="m:n", plugin="zoo-x").qualified == "zoo-x:m"
    assert ModelFamily(prefix="f/", title="", entry="m:n", plugin="zoo-x").qualified == "zoo-x:f/"


@pytest.mark.parametrize(
    ("origin", "offline"), [("real", False), ("copy", False), ("bundled", True), ("exact", True), ("synthetic", True)]
)
def test_data_that_come_with_code_are_offline(origin: str, offline: bool):
    assert dataset(origin=origin).offline is offline


def test_features_are_the_numbers_of_one_example():
    assert Signature(input_shape=(3, 4, 5)).features == 60
    assert Signature(input_shape=()).features == 1


def test_features_of_a_varying_size_are_refused():
    with pytest.raises(InvalidSpecError, match="varies"):
        _ = Signature(input_shape=(3, None, None)).features


def refusal(accepts: Accepts, shape: tuple[int | None, ...], outputs: int | None = 10) -> str:
    return accepts.refusal(Signature(input_shape=shape, outputs=outputs))


def test_a_model_that_declares_nothing_takes_everything():
    for shape in [(3, 32, 32), (1,), (), (None, None, None), (None, 7)]:
        assert refusal(Accepts(), shape) == ""


def test_other_channels_are_refused_with_both_numbers():
    assert refusal(Accepts(channels=(1, 3)), (3, 32, 32)) == ""
    assert refusal(Accepts(channels=(1, 3)), (4, 32, 32)) == "it takes 1 or 3 channels, the data have 4"


@pytest.mark.parametrize("shape", [(3, 31, 64), (3, 64, 31)])
def test_an_image_below_the_smallest_size_is_refused(shape: tuple[int, ...]):
    assert refusal(Accepts(min_size=32), shape) == "it needs 32 pixels a side, it would get 31: try --set image_size=32"


def test_an_image_of_the_smallest_size_is_taken():
    assert refusal(Accepts(min_size=32), (3, 32, 32)) == ""


@pytest.mark.parametrize("shape", [(3, 225, 224), (3, 224, 225)])
def test_any_but_the_fixed_size_is_refused(shape: tuple[int, ...]):
    assert refusal(Accepts(fixed_size=224), (3, 224, 224)) == ""
    assert refusal(Accepts(fixed_size=224), shape) == "it takes 224 pixels a side, it would get 225"


def test_too_many_outputs_are_refused():
    assert refusal(Accepts(max_outputs=10), (1,), 10) == ""
    assert refusal(Accepts(max_outputs=10), (1,), 11) == "it has at most 10 outputs, the data need 11"


@MANY
@given(st.builds(Accepts, channels=st.just((3,)), min_size=st.integers(1, 300), fixed_size=st.integers(1, 300)))
def test_sizes_that_are_not_known_yet_are_let_pass(accepts: Accepts):
    assert refusal(accepts, (None, None, None), None) == ""


@MANY
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40)),
    st.sets(st.integers(1, 5)),
    st.integers(1, 40),
    st.none() | st.integers(1, 40),
    st.none() | st.integers(1, 20),
)
def test_a_refusal_is_given_exactly_where_a_declaration_is_broken(
    shape: tuple[int, int, int], channels: set[int], smallest: int, fixed: int | None, outputs: int | None
):
    accepts = Accepts(channels=tuple(channels), min_size=smallest, fixed_size=fixed, max_outputs=outputs)
    good = (
        (not channels or shape[0] in channels)
        and min(shape[1:]) >= smallest
        and (fixed is None or set(shape[1:]) == {fixed})
        and (outputs is None or outputs >= 10)
    )
    assert (refusal(accepts, shape) == "") == good


def test_an_entry_resolves_to_what_it_names():
    assert resolve_entry("zoo_core.entries:resolve_entry") is resolve_entry


@pytest.mark.parametrize("entry", ["", "zoo_core.specs", "zoo_core.specs:", ":resolve"])
def test_a_malformed_entry_does_not_resolve(entry: str):
    with pytest.raises(EntryError, match=r"package\.module:name"):
        resolve_entry(entry)


def test_an_entry_whose_name_is_missing_says_which_module_lacks_it():
    with pytest.raises(EntryError, match=r"module zoo_core\.specs has no 'Nothing'"):
        resolve_entry("zoo_core.specs:Nothing")


@pytest.mark.parametrize("module", ["no_such_package", "zoo_core.no_such_module"])
def test_an_entry_whose_module_is_missing_says_so(module: str):
    with pytest.raises(EntryError, match=module.rpartition(".")[2]):
        resolve_entry(f"{module}:name")


def test_an_error_inside_the_module_of_an_entry_is_passed_on_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "zoo_raises_inside.py").write_text("raise RuntimeError('inside')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuntimeError, match="inside"):
        resolve_entry("zoo_raises_inside:name")


def test_a_command_is_put_below_one_that_takes_others_or_below_none():
    validate_spec(CommandSpec(name="c", help="", entry="m:n", below="results"))
    with pytest.raises(InvalidSpecError, match="`below` is 'bench', not one of '', 'results'"):
        validate_spec(CommandSpec(name="c", help="", entry="m:n", below="bench"))


def test_the_source_file_is_found_without_importing_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "zoo_never_imported.py"
    file.write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert source_file("zoo_never_imported:name") == file
    assert "zoo_never_imported" not in sys.modules


@pytest.mark.parametrize("entry", ["no_such_package:x", "no_such_package.inner:x", "sys:path", "", "..x:y"])
def test_an_entry_without_a_file_has_no_source_file(entry: str):
    assert source_file(entry) is None


def test_a_data_sets_download_without_a_checksum_is_refused():
    common = {"name": "d", "title": "D", "origin": "real", "licence": "CC0-1.0", "entry": "a:B"}
    signature, urls = Signature(input_shape=(1,)), ("https://example.org/f",)
    for checked in ({"sha256": "0" * 64}, {"md5": "0" * 32}):
        download = Download(name="f", urls=urls, **checked)
        validate_spec(DatasetSpec(signature=signature, downloads=(download,), **common))
    with pytest.raises(InvalidSpecError, match="download f has no checksum"):
        validate_spec(DatasetSpec(signature=signature, downloads=(Download(name="f", urls=urls),), **common))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chance": "0.2"}, "`chance` is '0.2', not a finite number or None"),
        ({"target": True}, "`target` is True, not a finite number or None"),
        ({"target": NAN}, "`target` is nan"),
        ({"chance": -INF}, "`chance` is -inf"),
        ({"higher_is_better": 1}, "`higher_is_better` is 1, not True or False"),
        ({"version": 1.0}, "`version` is 1.0, not a whole number"),
        ({"version": True}, "`version` is True, not a whole number"),
        ({"title": None}, "`title` is None, not a text"),
        ({"datasets": ["d"]}, r"`datasets` is \['d'\], not a tuple, with each item a text"),
        ({"datasets": ("d", 3)}, r"`datasets\[1\]` is 3, not a text"),
        ({"recipe": [("lr", 1)]}, "`recipe` is .*, not a mapping with text as keys"),
        ({"recipe": {"lr": NAN}}, r"`recipe\['lr'\]` is nan, not a JSON value"),
        ({"recipe": {"lr": Param(default=INF)}}, r"`recipe\['lr'\].default` is inf"),
        ({"recipe": {"lr": Param(default=1.0, minimum="0")}}, r"`recipe\['lr'\].minimum` is '0'"),
        ({"recipe": {"act": print}}, r"`recipe\['act'\]` is <built-in function print>"),
        ({"quick": {3: 1}}, "`the key 3 of quick` is 3, not a text"),
        ({"references": (0.9,)}, r"`references\[0\]` is 0.9, not a Reference"),
        ({"references": (Reference(value="0.9", source="s"),)}, r"`references\[0\].value` is '0.9'"),
        ({"name": 5}, "`name` is 5, not a text"),
    ],
)
def test_a_field_of_another_type_is_refused_with_plugin_spec_field_value_and_type(changes: dict[str, Any], words: str):
    with pytest.raises(InvalidSpecError, match=words) as caught:
        validate_spec(task(plugin="zoo-x", **changes))
    assert str(caught.value).startswith(f"plugin zoo-x: TaskSpec {changes.get('name', 't')}: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"origin": "guessed"}, "`origin` is 'guessed', not one of 'real', 'copy', 'bundled', 'exact', 'synthetic'"),
        ({"signature": {"input_shape": (1,)}}, "`signature` is .*, not a Signature"),
        (
            {"signature": Signature(input_shape=(1.5,))},
            r"`signature.input_shape\[0\]` is 1.5, not a whole number or None",
        ),
        ({"signature": Signature(input_shape=(1,), mean=(NAN,))}, r"`signature.mean\[0\]` is nan"),
        ({"signature": Signature(input_shape=(1,), extra={"f": NAN})}, r"`signature.extra\['f'\]` is nan"),
        ({"size_mib": "3"}, "`size_mib` is '3'"),
    ],
)
def test_the_fields_of_nested_specs_are_checked_too(changes: dict[str, Any], words: str):
    with pytest.raises(InvalidSpecError, match=words):
        validate_spec(dataset(**changes))


def test_whole_numbers_are_numbers_and_none_is_allowed_where_it_is_declared():
    validate_spec(task(chance=0, target=None, recipe={"lr": Param(default=None), "sizes": [1, [2.5, "a"]]}))
    validate_spec(ModelSpec(name="m", entry="a:b", tasks=None, accepts=Accepts(fixed_size=None, channels=(1, 3))))


URL = "https://example.org/f"
CHECKSUMS = {
    "sha256": {"b", "1234567", "0" * 65, "ABCDEF01", "0x123456", "g" * 64, " " * 8},
    "md5": {"b", "0" * 31, "0" * 33, "A" * 32},
}


@pytest.mark.parametrize(("field", "stated"), [(field, one) for field in CHECKSUMS for one in sorted(CHECKSUMS[field])])
def test_a_checksum_of_too_few_digits_or_of_others_is_refused(field: str, stated: str):
    download = Download(name="f", urls=(URL,), **{field: stated})
    for spec in (dataset(downloads=(download,)), ModelSpec(name="m", entry="a:b", weights=download)):
        with pytest.raises(InvalidSpecError, match=rf"download f: {field} is '{stated}'; give .* in lower case"):
            validate_spec(spec)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://raw.githubusercontent.com/someone/nets/main/net.pth",
        "https://github.com/someone/nets/raw/v1.0/net.pth",
        "https://cdn.jsdelivr.net/gh/someone/nets@latest/net.pth",
        "https://example.org/resolve/main/net.safetensors",
        f"https://example.org/net.pth?commit={COMMIT}",
        "https://huggingface.co/someone/nets/blob/main/net.safetensors",
    ],
)
def test_weights_without_a_checksum_need_an_address_with_a_commit(url: str):
    def spec(*urls: str, **checksum: str) -> ModelSpec:
        return ModelSpec(name="m", entry="a:b", weights=Download(name="f", urls=urls, **checksum))

    with pytest.raises(InvalidSpecError, match=r"weights f have no checksum, and the content of .* may change"):
        validate_spec(spec(url))
    with pytest.raises(InvalidSpecError, match="may change"):
        validate_spec(spec(f"https://raw.githubusercontent.com/a/b/{COMMIT}/net.pth", url))
    validate_spec(spec(url, sha256="0" * 8))


@pytest.mark.parametrize(
    "url",
    [
        f"https://raw.githubusercontent.com/someone/nets/{COMMIT}/net.pth",
        f"https://huggingface.co/someone/nets/resolve/{COMMIT}/net.safetensors",
        f"https://cdn.jsdelivr.net/gh/someone/nets@{COMMIT}/net.pth",
        "https://huggingface.co/someone/nets/resolve/main/net.safetensors",  # replaced by its commit when it is fetched
    ],
)
def test_an_address_with_a_commit_or_on_the_hub_needs_no_checksum(url: str):
    validate_spec(ModelSpec(name="m", entry="a:b", weights=Download(name="f", urls=(url,))))


def test_a_model_that_names_a_mean_without_a_deviation_is_refused():
    with pytest.raises(InvalidSpecError, match="`mean` has 3 channels, `std` 0"):
        validate_spec(ModelSpec(name="m", entry="a:b", mean=(0.5, 0.5, 0.5)))


@pytest.mark.parametrize("year", [0, -44, 98, 1899, 2200, 20140])
def test_a_year_in_which_no_model_was_published_is_refused(year: int):
    with pytest.raises(InvalidSpecError, match=f"model m: `year` is {year}, not between 1900 and 2199"):
        validate_spec(ModelSpec(name="m", entry="a:b", year=year))
    validate_spec(ModelSpec(name="m", entry="a:b", year=1998, paper="arXiv:1512.03385"))


@pytest.mark.parametrize("year", [True, "1998", 1998.0])
def test_a_year_that_is_no_whole_number_is_refused(year: Any):
    with pytest.raises(InvalidSpecError, match=r"`year` is .*, not a whole number or None"):
        validate_spec(ModelSpec(name="m", entry="a:b", year=year))
