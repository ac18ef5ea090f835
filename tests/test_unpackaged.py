"""A model from a file: read without running it, run as any other, recorded without its folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_core.entries import names_file, resolve_entry
from zoo_core.entries.codehash import code_sha256
from zoo_core.entries.file import model_of_file
from zoo_core.entries.naming import JOINERS, check_name, plain_name, source_hash
from zoo_core.entries.unpackaged import address, call, takes_signature, without_folder
from zoo_core.errors import EntryError, UnknownNameError, UsageError
from zoo_core.registry import Registry

NET = '''
"""A straight line."""

from torch import nn


class Line(nn.Module):
    """One weight, one bias."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 1)

    def forward(self, x):
        return self.line(x)
'''


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Write a file of this source; its path. What was imported from it is forgotten at the end."""
    path, modules = list(sys.path), set(sys.modules)

    def make(source: str, name: str = "net.py") -> str:
        (tmp_path / name).write_text(source)
        return str(tmp_path / name)

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("zoo_unpackaged_") or name == "neighbour_of_a_net":
            del sys.modules[name]


@pytest.mark.parametrize("name", ["./net.py:Net", "net.py:Net", "/a/b.py:c", "net.py", r"C:\nets\net.py:Net"])
def test_a_path_with_a_name_behind_it_names_a_file(name: str) -> None:
    assert names_file(name)


@pytest.mark.parametrize("name", ["cnn", "zoo-mnist:cnn", "timm/resnet18", "zoo-timm:timm/resnet18.a1_in1k"])
def test_the_name_of_an_installed_model_names_no_file(name: str) -> None:
    assert not names_file(name)


@pytest.mark.parametrize(
    ("stem", "attribute", "name"),
    [
        ("my_net", "MyNet", "my_net.my-net"),
        ("net", "build", "net.build"),
        ("2d net", "Net", "2d-net.net"),
        ("_net", "build_", "net.build"),
        ("net (1)", "Net", "net-1.net"),
        ("сеть", "МояСеть", "сеть.моя-сеть"),
        ("网络", "Net", "网络.net"),
        ("नेटवर्क", "Net", "नेटवर्क.net"),  # the vowel signs are marks, not letters
        ("cafe\u0301", "Net", "caf\u00e9.net"),
        ("\u202eevil", "<b>", "evil.b"),
        ("...", "_", "model"),
        ("n" * 80, "Net", "n" * 64),
    ],
)
def test_the_models_name_is_made_of_the_files_and_the_attributes(stem: str, attribute: str, name: str) -> None:
    assert plain_name(stem, attribute) == name


def test_the_spec_is_read_without_running_the_file(write: Callable[..., str]) -> None:
    path = write("raise RuntimeError('it ran')\ndef build(signature, width=32): pass\n")
    task = Registry.load().task("cosine")
    model = Registry.load().model_or_file(f"{path}:build", task)
    assert (model.qualified, model.kind, model.tasks) == ("unpackaged:net.build", "regression", ("zoo-cosine:cosine",))
    assert model.options == {"width": 32}
    assert address(model) == f"{path}:build"


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("def Net(signature, width=32, *, rate=-0.5, act=None): pass", {"width": 32, "rate": -0.5, "act": None}),
        ("def Net(signature=None, sizes=(3, 3)): pass", {"sizes": (3, 3)}),
        ("def Net(shape, weights=None, layer=torch.relu, name='a'): pass", {"name": "a"}),
        ("class Net:\n    def __init__(self, width=8): pass", {"width": 8}),
        ("class Base:\n    def __init__(self, depth=2): pass\nclass Net(Base): pass", {"depth": 2}),
        ("def other(depth=2): pass\nNet = other", {"depth": 2}),
        ("if True:\n    def Net(width=1): pass\nelse:\n    Net = 3", {"width": 1}),
        ("try:\n    from fast import Net\nexcept ImportError:\n    def Net(width=1): pass", {"width": 1}),
        ("Net = make(3)", {}),
        ("from elsewhere import *", {}),
        ("def Net(*layers, **more): pass", {}),
    ],
)
def test_parameters_with_plain_defaults_are_options(
    source: str, options: dict[str, Any], write: Callable[..., str]
) -> None:
    assert model_of_file(f"{write(source)}:Net").options == options


def test_the_error_for_a_missing_file_says_so() -> None:
    with pytest.raises(UsageError, match=r"there is no file \./no_such\.py"):
        model_of_file("./no_such.py:Net")


def test_the_error_for_a_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "net.py").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        model_of_file(f"{tmp_path}/net.py:Net")


def test_a_file_that_never_ends_is_an_error_of_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "endless.py").symlink_to("/dev/zero")
    for name in ("pipe.py", "endless.py"):
        with pytest.raises(UsageError, match=rf"{name} cannot be read \(.*is not a regular file"):
            model_of_file(f"{tmp_path / name}:Net")


def test_defaults_that_no_literal_can_be_are_no_options(write: Callable[..., str]) -> None:
    source = f"def Net(a={{[]: 1}}, b={{}}, c={'-' * 500}1, width=3): pass"
    assert model_of_file(f"{write(source)}:Net").options == {"b": {}, "width": 3}


@pytest.mark.parametrize(
    ("source", "attribute", "words"),
    [
        ("(" * 10_000 + ")" * 10_000, "Net", ""),
        ("class Net: pass", "Nett", "did you mean Net?"),
        ("class Net: pass", "", "name the class or function"),
        ("def broken(:\n", "broken", "line 1: "),
        ("x = '\0'", "x", "null byte"),
        ("Net = 5", "Net", "Net is not a class or function"),
        ("import torch", "torch", "torch is not a class or function"),
        ("def Net(a, b): pass", "Net", "it needs a, b, and the zoo gives only the signature"),
        ("def Net(*, a): pass", "Net", "it needs signature, a"),
    ],
)
def test_a_problem_with_a_file_is_an_error_of_one_line(
    source: str, attribute: str, words: str, write: Callable[..., str]
) -> None:
    with pytest.raises(UsageError) as raised:
        model_of_file(f"{write(source)}:{attribute}" if attribute else write(source))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_nearest_name_of_the_file_is_offered(write: Callable[..., str]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean build_net"):
        model_of_file(f"{write('def build_net(): pass')}:build_nut")


def test_an_entry_with_a_path_is_loaded_and_may_import_its_neighbours(write: Callable[..., str]) -> None:
    write("HIDDEN = 7\n", "neighbour_of_a_net.py")
    path = write("from neighbour_of_a_net import HIDDEN\ndef build():\n    return HIDDEN\n")
    assert resolve_entry(f"{path}:build")() == 7
    assert resolve_entry(f"{path}:build") is resolve_entry(f"{path}:build")


def test_a_file_that_changed_within_a_second_is_not_taken_from_pythons_cache(write: Callable[..., str]) -> None:
    path = write("def build():\n    return 1\n")
    resolve_entry(f"{path}:build")
    name = resolve_entry(f"{path}:build").__module__
    del sys.modules[name]
    write("def build():\n    return 2\n")
    assert resolve_entry(f"{path}:build")() == 2


def test_a_name_that_the_file_does_not_make_is_an_entry_error(write: Callable[..., str]) -> None:
    path = write("def build(): pass\n")
    with pytest.raises(EntryError, match="did you mean build"):
        resolve_entry(f"{path}:built")
    with pytest.raises(EntryError, match="there is no file"):
        resolve_entry(f"{path}x.py:build")


def test_the_code_hash_is_that_of_the_file(write: Callable[..., str]) -> None:
    first = code_sha256(f"{write('a = 1')}:a")
    assert len(first) == 64
    assert code_sha256(f"{write('a = 2')}:a") != first
    assert code_sha256(f"{write('a = 1')}:a") == first


def test_a_build_function_gets_the_signature_only_if_it_takes_one() -> None:
    assert call(lambda signature: signature, "s", {}) == "s"
    assert call(lambda shape, width=1: (shape, width), "s", {"width": 2}) == ("s", 2)
    assert call(lambda signature=None: signature, "s", {}) == "s"
    assert call(lambda: "nothing", "s", {}) == "nothing"
    assert call(lambda width=1: width, "s", {"width": 3}) == 3
    assert not takes_signature(lambda *layers, **more: 1)


def test_a_tuple_by_default_stays_one() -> None:
    assert call(lambda sizes=(3, 3): sizes, "s", {"sizes": [5, 5]}) == (5, 5)
    assert call(lambda sizes=[3]: sizes, "s", {"sizes": [5]}) == [5]


def test_the_folder_of_the_file_is_not_recorded(write: Callable[..., str]) -> None:
    path = write(NET)
    model = model_of_file(f"{path}:Line")
    assert without_folder(f'File "{path}", line 3', model) == 'File "./net.py", line 3'
    packaged = Registry.load().model("zoo-cosine:mlp")
    assert without_folder(f"{path}", packaged) == path


# through the command line


def records() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(Path("results").glob("*/*.json"))]


def test_a_net_of_a_file_is_benchmarked_saved_and_scored_again(zoo: Callable[..., Any]) -> None:
    Path("my_net.py").write_text(NET)
    bench = ("bench", "cosine", "--model", "./my_net.py:Line", "--offline", "--max-steps", "5", "--device", "cpu")
    done = zoo(*bench, "--save")
    assert done.code == 0, done.err
    [record] = records()
    assert record["status"] == "ok"
    assert re.fullmatch(r"unpackaged:my_net\.line-[0-9a-f]{8}", record["model"]["name"])
    assert record["model"]["title"] == "One weight, one bias"
    assert record["model"]["code_sha256"] == code_sha256(f"{Path('my_net.py').absolute()}:Line")
    assert record["model"]["parameters"] == 2
    assert str(Path.cwd()) not in json.dumps(record)
    again = zoo(*bench, "--save")
    assert "1 recorded already" in again.out
    [checkpoint] = Path("results").glob("*/*/checkpoint.safetensors")
    assert str(Path.cwd()).encode() not in checkpoint.read_bytes()
    alone = zoo("eval", checkpoint, "--device", "cpu")
    assert alone.code == 2
    assert "--model ./FILE.py:NAME" in alone.err
    with_file = zoo("eval", checkpoint, "--model", "./my_net.py:Line", "--device", "cpu", "--json")
    assert with_file.code == 0, with_file.err
    scores = json.loads(with_file.out)
    assert scores["same_code"]
    assert scores["scores"]["mse"] == pytest.approx(record["measured"]["scores"]["mse"])


def test_a_changed_file_is_another_experiment_and_so_is_another_name_in_it(zoo: Callable[..., Any]) -> None:
    bench = ("bench", "cosine", "--offline", "--max-steps", "2", "--device", "cpu")
    for source, name in ((NET, "Line"), (NET + "\n# changed\n", "Line"), (NET + "\nlINE = Line\n", "lINE")):
        Path("net.py").write_text(source)
        zoo(*bench, "--model", f"./net.py:{name}")
    assert len({record["key"] for record in records()}) == 3


def test_an_option_of_a_files_model_is_set_like_any_other(zoo: Callable[..., Any]) -> None:
    Path("net.py").write_text(
        "from torch import nn\n\ndef build(signature, width=4):\n"
        "    return nn.Sequential(nn.Linear(signature.features, width), nn.Linear(width, signature.outputs))\n"
    )
    words = ("bench", "cosine", "--model", "./net.py:build", "--offline", "--max-steps", "2", "--device", "cpu")
    assert zoo(*words, "--set", "width=3").code == 0
    [record] = records()
    assert record["recipe"]["width"] == 3
    assert record["model"]["parameters"] == 3 + 3 + 3 + 1
    wrong = zoo(*words, "--set", "widht=3")
    assert wrong.code == 2
    assert "did you mean width" in wrong.err


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def build(): return [1]", "returned a list, not a torch.nn.Module"),
        ("def build(signature): return 1 / 0", "ZeroDivisionError"),
        ("build = print", "returned a NoneType"),
        ("import no_such_package_here\ndef build(): pass", "no_such_package_here"),
    ],
)
def test_what_a_file_does_wrong_when_it_is_run_is_in_the_record(
    source: str, reason: str, zoo: Callable[..., Any]
) -> None:
    Path("net.py").write_text(source)
    done = zoo("bench", "cosine", "--model", "./net.py:build", "--offline", "--max-steps", "2", "--device", "cpu")
    assert done.code == 1
    [record] = records()
    assert record["status"] == "error"
    assert reason in record["reason"]
    assert str(Path.cwd()) not in json.dumps(record)


def test_a_mistake_in_the_name_writes_nothing(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "cosine", "--model", "./none.py:Net", "--offline")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert not Path("results").exists()


# two sources of one name

BENCH = ("bench", "cosine", "--offline", "--max-steps", "2", "--device", "cpu")


def two_nets(*folders: str) -> None:
    for number, folder in enumerate(folders):
        Path(folder).mkdir()
        Path(folder, "net.py").write_text(f"{NET}\n# {number}\n")


def model_names() -> list[str]:
    found = sorted(records(), key=lambda record: record["started_at"])
    return [record["model"]["name"].removeprefix("unpackaged:") for record in found]


def test_two_files_of_one_name_are_two_models_and_the_second_is_warned_of(zoo: Callable[..., Any]) -> None:
    two_nets("first", "вторая")
    first = zoo(*BENCH, "--model", "first/net.py:Line")
    second = zoo(*BENCH, "--model", "вторая/net.py:Line")
    one, other = model_names()
    assert one != other
    assert re.sub("[0-9a-f]{8}", "#", one) == re.sub("[0-9a-f]{8}", "#", other) == "net.line-#"
    assert "warning" not in first.err
    [warning] = [line for line in second.err.splitlines() if line.startswith("warning")]
    assert warning == (
        f"warning: {one} is another model from another file, notebook or user account; this one is {other}. "
        "To name it yourself: --name NAME, in Python name=..."
    )


def test_two_files_of_one_name_in_one_call_are_two_models(zoo: Callable[..., Any]) -> None:
    two_nets("a", "b")
    done = zoo(*BENCH, "--model", "a/net.py:Line", "--model", "b/net.py:Line")
    assert done.code == 0
    assert len(set(model_names())) == 2
    assert done.err.count("warning: ") == 2


def test_identical_files_are_two_models_so_that_an_edit_of_one_leaves_the_other(zoo: Callable[..., Any]) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "net.py").write_text(NET)
        zoo(*BENCH, "--model", f"{folder}/net.py:Line")
    assert len(set(model_names())) == 2


def test_an_edited_file_is_the_same_model(zoo: Callable[..., Any]) -> None:
    two_nets("a")
    zoo(*BENCH, "--model", "a/net.py:Line")
    Path("a/net.py").write_text(f"{NET}\n# edited\n")
    done = zoo(*BENCH, "--model", "./a/../a/net.py:Line")
    assert len(model_names()) == 2
    assert len(set(model_names())) == 1
    assert "warning" not in done.err


def test_a_moved_file_is_another_model_unless_it_has_a_given_name(zoo: Callable[..., Any]) -> None:
    two_nets("a")
    zoo(*BENCH, "--model", "a/net.py:Line")
    zoo(*BENCH, "--model", "a/net.py:Line", "--name", "Anns Netz")
    Path("a").rename("moved")
    moved = zoo(*BENCH, "--model", "moved/net.py:Line")
    assert "is another model from another file" in moved.err
    assert len(set(model_names())) == 3
    assert "1 recorded already" in zoo(*BENCH, "--model", "moved/net.py:Line", "--name", "Anns Netz").out


def test_a_class_that_another_class_of_its_file_resembles_is_another_model(zoo: Callable[..., Any]) -> None:
    Path("net.py").write_text(f"{NET}\nlINE = Line\nL_INE = Line\n")
    zoo(*BENCH, "--model", "./net.py:lINE")
    zoo(*BENCH, "--model", "./net.py:L_INE")
    assert len(set(model_names())) == 2


def test_the_hash_of_a_place_differs_between_users_and_reveals_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = source_hash(tmp_path / "net.py", "Net")
    assert mine == source_hash(tmp_path / "net.py", "Net")
    assert mine != source_hash(tmp_path / "net.py", "Other")
    (tmp_path / "link").symlink_to(tmp_path)
    assert mine == source_hash(tmp_path / "link" / "net.py", "Net")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache of another user"))
    assert mine != source_hash(tmp_path / "net.py", "Net")


@pytest.mark.parametrize("left", [None, ""])
def test_a_cache_that_lost_the_text_for_the_hash_gets_a_new_one(
    left: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    first = source_hash(tmp_path / "net.py", "Net")
    file = tmp_path / "unpackaged" / "salt" / "salt.txt"
    file.unlink()
    if left is not None:
        file.write_text(left)
    second = source_hash(tmp_path / "net.py", "Net")
    assert second == source_hash(tmp_path / "net.py", "Net") != first


def test_a_cache_that_cannot_be_written_is_named_when_a_file_gets_its_name(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("net.py").write_text(NET)
    monkeypatch.setenv("ZOO_CACHE", str(Path("net.py").absolute() / "cache"))
    done = zoo(*BENCH, "--model", "./net.py:Line")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "cannot be written" in done.err


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Моя сеть", "Моя сеть"),
        ("cafe\u0301 2.1", "caf\u00e9 2.1"),
        (" net_a-b+c ", "net_a-b+c"),
        ("Ann's net (2 layers, lr=0.1)", "Ann's net (2 layers, lr=0.1)"),
        ("नेट", "नेट"),
        ("می\u200cشود", "می\u200cشود"),
        ("七层网络", "七层网络"),
        ("x" * 64, "x" * 64),
    ],
)
def test_a_name_may_have_letters_of_any_script(given: str, name: str) -> None:
    assert check_name(given) == name


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "a/b",
        "a:b",
        "..",
        "-net",
        "<b>",
        "a\nb",
        "a\u202eb",
        "a\x00",
        "x" * 65,
        "a\udcff",
        "a\u200d",
        "\u0301a",
    ],
)
def test_text_that_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--name") as caught:
        check_name(given)
    assert str(caught.value).isprintable()


@given(st.text())
def test_a_name_is_refused_or_stays_the_same_when_it_is_given_again(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert check_name(check_name(text)) == check_name(text)


@given(st.text(), st.text())
def test_the_name_of_any_file_and_class_is_a_valid_name(stem: str, attribute: str) -> None:
    name = plain_name(stem, attribute)
    assert len(name) <= 64
    assert not set(name) & set(" /:<>&\"'\\")
    assert name.isprintable() or set(name) & set(JOINERS)


def test_a_given_name_is_recorded_and_shown(zoo: Callable[..., Any]) -> None:
    Path("net.py").write_text(NET)
    done = zoo(*BENCH, "--model", "./net.py:Line", "--name", "Моя сеть")
    assert model_names() == ["Моя сеть"]
    assert "Моя сеть" in done.out
    listed = zoo("results", "list", "--model", "Моя сеть", "--json")
    assert len(json.loads(listed.out)) == 1


def test_one_given_name_for_two_files_is_one_model_and_warned_of(zoo: Callable[..., Any]) -> None:
    two_nets("a", "b")
    assert "warning" not in zoo(*BENCH, "--model", "a/net.py:Line", "--name", "Net").err
    assert "warning" not in zoo(*BENCH, "--model", "a/net.py:Line", "--name", "Net").err
    done = zoo(*BENCH, "--model", "b/net.py:Line", "--name", "Net")
    assert "results has trials of 'Net' from another file" in done.err
    assert model_names() == ["Net", "Net"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--model", "linear", "--name", "a"), "linear has a name already"),
        (("--name", "a"), "goes with one --model"),
        (("--model", "./net.py:Line", "--model", "linear", "--name", "a"), "goes with one --model"),
        (("--model", "./net.py:Line", "--name", "a/b"), "'/' is not allowed"),
    ],
)
def test_a_name_that_cannot_be_given_writes_nothing(
    words: tuple[str, ...], reason: str, zoo: Callable[..., Any]
) -> None:
    Path("net.py").write_text(NET)
    done = zoo(*BENCH, *words)
    assert done.code == 2
    assert reason in done.err
    assert done.err.count("\n") == 1
    assert not Path("results").exists()


def test_a_checkpoint_of_a_plugins_model_takes_no_file(zoo: Callable[..., Any]) -> None:
    Path("net.py").write_text(NET)
    zoo("bench", "cosine", "--model", "linear", "--max-steps", "2", "--device", "cpu", "--save")
    [checkpoint] = Path("results").glob("*/*/checkpoint.safetensors")
    done = zoo("eval", checkpoint, "--model", "./net.py:Line", "--device", "cpu")
    assert done.code == 2
    assert "leave --model out" in done.err
    assert zoo("eval", checkpoint, "--model", "linear", "--device", "cpu").code == 2


def test_a_files_model_is_shown_with_its_options(zoo: Callable[..., Any]) -> None:
    Path("net.py").write_text("def build(signature, width=4): pass\n")
    [shown] = json.loads(zoo("show", "./net.py:build", "--json").out)
    assert (shown["what"], shown["name"], shown["options"]) == ("model", "net.build", {"width": 4})
    assert zoo("show", "./net.py:built").code == 2
