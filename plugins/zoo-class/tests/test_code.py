"""Which code counts as equal: whatever the names, comments and layout; and which is the template's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from zoo_class.alike import Alike, group_alike, hash_of_weights
from zoo_class.code import is_template, own_units, units_of
from zoo_class.outcomes import Outcome


def units(source: str, least: int = 0) -> set[str]:
    return set(units_of({"net.py": source.encode()}, least=least))


def test_other_names_comments_and_docstrings_make_no_other_code(kit: Any) -> None:
    assert units(kit.net(48, "Tanh"), 25) == units(kit.RENAMED, 25)


@pytest.mark.parametrize(
    "change", [("nn.Tanh()", "nn.ReLU()"), ("48", "47"), ("Flatten(), hidden", "Flatten(), nn.Identity(), hidden")]
)
def test_another_layer_size_or_step_is_other_code(kit: Any, change: tuple[str, str]) -> None:
    before = kit.net(48, "Tanh")
    assert units(before, 25) != units(before.replace(*change), 25)


def test_two_variables_are_not_taken_for_one() -> None:
    assert units("def f(a, b):\n    return a + b") != units("def f(a, b):\n    return a + a")


def test_the_template_is_nobodys_own_code_whatever_its_variables_are_called(kit: Any) -> None:
    template = units_of({"net.py": kit.TEMPLATE.encode()}, least=0)
    renamed = kit.TEMPLATE.replace("signature", "sig").replace("(self, x)", "(self, image)").replace("(x)", "(image)")
    assert is_template({"net.py": renamed.encode()}, template)
    assert own_units({"net.py": renamed.encode()}, template) == {}
    assert not is_template({"net.py": kit.net().encode()}, template)
    assert not is_template({"net.py": kit.net().encode()}, {})


def test_a_file_that_does_not_parse_has_no_code() -> None:
    assert units("def broken(:") == set()
    assert units("(" * 5000) == set()


def test_code_that_is_nested_a_thousand_levels_deep_is_compared() -> None:
    deep = "total = " + " + ".join(["1"] * 1_200)
    assert len(units(deep)) == 1
    assert units(deep) != units(deep.replace("+", "-", 1))


def test_equal_weights_are_equal_whatever_they_are_called(tmp_path: Any) -> None:
    one, two = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(4, dtype=np.float32)
    save_file({"a.weight": one, "a.bias": two}, tmp_path / "a")
    save_file({"z.bias": two, "b.weight": one}, tmp_path / "b", metadata={"by": "me"})
    save_file({"a.weight": one, "a.bias": two + 1e-7}, tmp_path / "c")
    assert hash_of_weights(tmp_path / "a") == hash_of_weights(tmp_path / "b") != ""
    assert hash_of_weights(tmp_path / "a") != hash_of_weights(tmp_path / "c")
    (tmp_path / "bad").write_bytes(b"\xff" * 20)
    assert hash_of_weights(tmp_path / "bad") == hash_of_weights(tmp_path / "missing") == ""


def test_pairs_that_share_a_member_are_one_group() -> None:
    a, b, c, d, e = (Outcome(name=name, alias=name, status="ok", model=name, attempt=1) for name in "abcde")
    pairs = [
        Alike(one=one, other=other, equal=[f"{kind}: equal"])
        for one, other, kind in ((a, b, "code"), (c, d, "code"), (b, c, "code"), (a, e, "weights"))
    ]
    groups = [(group.kind, sorted(item.name for item in group.members)) for group in group_alike(pairs)]
    assert groups == [("code", ["a", "b", "c", "d"]), ("weights", ["a", "e"])]
