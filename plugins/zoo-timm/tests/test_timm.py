"""timm's models as a family: listed without importing anything, built for any image, begun with weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from zoo_timm.models import TimmModels, build

from zoo_core import ModelSpec, Signature, UnknownNameError
from zoo_core.errors import WeightsError
from zoo_core.files import cache_dir, portable
from zoo_core.kinds import adapted_signature
from zoo_core.registry import Registry
from zoo_core.results.records import Record, decode
from zoo_core.transfer import Transfer

TINY = ("test_resnet", "test_vit", "test_efficientnet")  # three families; models that timm keeps for its own tests
IMAGE = Signature(input_shape=(3, 32, 32), outputs=7, mean=(0.5,) * 3, std=(0.25,) * 3)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Zoo = Callable[..., Any]

DATA = """
    import numpy as np
    from zoo_core import DatasetSpec, Signature, TaskSpec, hookimpl

    IMAGE = Signature(input_shape=(1, 28, 28), outputs=2, classes=("dark", "bright"))

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="light", title="Light", summary="Dark or bright?", kind="image-classification",
                         datasets=("light",), metric="accuracy", higher_is_better=True)]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="light", title="Light", origin="synthetic", licence="CC0-1.0", signature=IMAGE,
                            entry="zoo_light:Light")]

    class Light:
        signature = IMAGE

        def __init__(self, ctx):
            pass

        def load(self, split):
            labels = np.arange(30 if split == "train" else 10) % 2
            images = np.random.default_rng(len(labels)).integers(0, 156, (len(labels), 1, 28, 28))
            return {"x": (images + 100 * labels.reshape(-1, 1, 1, 1)).astype(np.uint8), "y": labels}
"""
BENCH = ("bench", "light", "--max-steps", "3", "--device", "cpu", "--threads", "1", "--offline")


@pytest.fixture
def light(make_plugin: Callable[..., Path]) -> Path:
    """An offline task of 40 grey images of 28x28 pixels."""
    return make_plugin("zoo-light", DATA)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spec(name: str) -> ModelSpec:
    return TimmModels.resolve(f"timm/{name}")


def records() -> list[Record]:
    return [decode(path.read_bytes()) for path in sorted(Path("results").glob("*/*.json"))]


# Names


def test_listing_imports_neither_timm_nor_torch() -> None:
    code = """
import sys
from zoo_core.cli import main
for words in (["list"], ["list", "models"], ["list", "models", "t*"], ["list", "pairs"], ["show", "zoo-timm"]):
    sys.argv = ["zoo", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
assert not {"timm", "torch", "numpy", "zoo_timm.models"} & set(sys.modules), set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "timm/*" in done.stdout


def test_the_family_is_asked_for_names_with_its_prefix(zoo: Zoo) -> None:
    names = [row["model"] for row in json.loads(zoo("list", "models", "timm/resnet*", "--json").out)]
    assert "timm/resnet18" in names
    assert all(name.startswith("timm/resnet") and "." not in name for name in names)
    tagged = [row["model"] for row in json.loads(zoo("list", "models", "timm/resnet18.*", "--json").out)]
    assert "timm/resnet18.a1_in1k" in tagged
    assert all(name.startswith("timm/resnet18.") for name in tagged)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm/resnet81", ("unknown model 'timm/resnet81'", "timm/resnet18", "zoo list models 'timm/*'")),
        ("timm/resnet18.a1_in2k", ("'timm/resnet18.a1_in2k'", "timm/resnet18.a1_in1k", "'timm/resnet18.*'")),
        ("timm/", ("unknown model 'timm/'",)),
        ("timm/resnet18.", ("unknown model 'timm/resnet18.'", "timm/resnet18.", "'timm/resnet18.*'")),
    ],
)
def test_an_unknown_name_or_tag_suggests_near_ones(zoo: Zoo, light: Path, name: str, words: tuple[str, ...]) -> None:
    done = zoo(*BENCH, "--model", name)
    assert done.code == 2
    assert done.err.count("\n") == 1
    for word in words:
        assert word in done.err
    assert not Path("results").exists()


def test_a_tag_of_another_model_is_unknown() -> None:
    assert spec("resnet18.fb_ssl_yfcc100m_ft_in1k").weights is not None
    with pytest.raises(UnknownNameError):
        spec("resnet34.fb_ssl_yfcc100m_ft_in1k")


@pytest.mark.parametrize("name", ["timm/resnet18", "zoo-timm:timm/resnet18"])
def test_the_registry_finds_a_member_by_its_bare_and_its_qualified_name(name: str) -> None:
    assert Registry.load().model(name).qualified == "zoo-timm:timm/resnet18"


# Specs


def test_a_model_of_one_size_is_given_images_of_that_size() -> None:
    tiny = spec("vit_tiny_patch16_224")
    assert tiny.accepts.fixed_size == 224
    task = Registry.load().task("mnist")
    seen = adapted_signature(tiny, task, IMAGE, {"image_size": 0})
    assert seen.input_shape == (3, 224, 224)
    assert tiny.accepts.refusal(seen) == ""
    asked = adapted_signature(tiny, task, IMAGE, {"image_size": 32})
    assert "takes 224 pixels a side, it would get 32" in tiny.accepts.refusal(asked)
    free = spec("resnet18")
    assert free.accepts.fixed_size is None
    assert adapted_signature(free, task, IMAGE, {"image_size": 0}) == IMAGE


def test_a_tagged_model_brings_its_weights_and_how_they_want_images() -> None:
    tagged = spec("resnet18.a1_in1k")
    assert (tagged.mean, tagged.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert tagged.accepts.channels == (3,)
    assert tagged.pretrained_on == "timm's a1_in1k"
    assert tagged.weights is not None
    assert tagged.weights.urls == ("https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",)
    grey = Signature(input_shape=(1, 28, 28), outputs=10, mean=(0.1,), std=(0.3,))
    seen = adapted_signature(tagged, Registry.load().task("mnist"), grey, {"image_size": 0})
    assert (seen.input_shape, seen.mean, seen.std) == ((3, 28, 28), IMAGENET_MEAN, IMAGENET_STD)


def test_a_model_without_a_tag_begins_at_random_and_takes_any_channels() -> None:
    plain = spec("resnet18")
    assert (plain.weights, plain.pretrained_on, plain.mean, plain.std) == (None, "", (), ())
    assert plain.accepts.channels == ()
    assert plain.options["architecture"].default == "resnet18"
    assert plain.recipe["*"]["lr"] > spec("resnet18.a1_in1k").recipe["*"]["lr"], "what is trained already moves less"


# Nets


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TINY)
def test_a_net_answers_with_one_number_for_each_class(name: str, channels: int) -> None:
    signature = Signature(input_shape=(channels, 32, 32), outputs=7)
    x = torch.rand(2, channels, 32, 32)
    whole = build(signature, name, freeze=False)
    assert not isinstance(whole, Transfer)
    assert all(parameter.requires_grad for parameter in whole.parameters())
    assert whole.eval()(x).shape == (2, 7)
    frozen = build(signature, f"{name}.some_tag", freeze=True)
    assert isinstance(frozen, Transfer)
    assert frozen.training
    assert [name for name, item in frozen.named_parameters() if item.requires_grad] == ["head.weight", "head.bias"]
    frozen.eval()
    assert frozen(x).shape == (2, 7)
    assert torch.equal(frozen(x), frozen.head(frozen.backbone(x)))


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("name", TINY)
def test_timms_own_weights_are_taken_without_their_last_layer(name: str, freeze: bool) -> None:
    published = timm.create_model(name)  # for 1000 classes
    state = published.state_dict()
    net = build(IMAGE, name, freeze, weights=state)
    inner = net.backbone if isinstance(net, Transfer) else net
    last = published.pretrained_cfg["classifier"]
    taken = {key for key in state if not key.startswith(last)}
    assert len(taken) == len(state) - 2
    assert all(torch.equal(inner.state_dict()[key], state[key]) for key in taken)
    assert net.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_frozen_features_are_those_of_timms_model_without_its_last_layer() -> None:
    published = timm.create_model("test_resnet").eval()
    net = build(IMAGE, "test_resnet", freeze=True, weights=published.state_dict()).eval()
    x = torch.rand(2, 3, 32, 32)
    expected = published.forward_head(published.forward_features(x), pre_logits=True)
    torch.testing.assert_close(net.backbone(x), expected)


def test_weights_of_another_model_are_refused_by_name() -> None:
    other = timm.create_model("test_vit").state_dict()
    with pytest.raises(WeightsError, match="is missing"):
        build(IMAGE, "test_resnet", freeze=False, weights=other)
    grey, own = Signature(input_shape=(1, 32, 32), outputs=7), timm.create_model("test_resnet").state_dict()
    with pytest.raises(WeightsError, match=r"conv1.* the model has \(\d+, 1, "):
        build(grey, "test_resnet", freeze=True, weights=own)


# Trials


MISFITS = {
    "too small an image": (
        ("--model", "timm/test_convnext"),
        "cannot take zoo-light:light as (1, 28, 28): RuntimeError",
    ),
    "frozen too": (("--model", "timm/test_convnext", "--set", "freeze=true"), "cannot take zoo-light:light as (1, 28"),
    "not the only size": (
        ("--model", "timm/test_vit3", "--set", "image_size=32"),
        "cannot take zoo-light:light: it takes 160 pixels a side, it would get 32",
    ),
    "no weights here": (("--model", "timm/test_vit.r160_in1k"), "test_vit.r160_in1k.safetensors was never downloaded"),
    "another architecture": (
        ("--model", "timm/test_vit", "--set", "architecture=test_resnet"),
        "architecture='test_resnet' is not one of test_vit",
    ),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_a_model_that_cannot_begin_says_so_before_anything_is_trained(zoo: Zoo, light: Path, kind: str) -> None:
    words, reason = MISFITS[kind]
    done = zoo(*BENCH, *words)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert reason in done.err
    assert not Path("results").exists()


def test_a_model_at_random_is_trained_and_recorded(zoo: Zoo, light: Path) -> None:
    done = zoo(*BENCH, "--model", "timm/test_resnet")
    assert done.code == 0, done.err
    (record,) = records()
    assert record.status == "ok"
    assert record.model.name == "zoo-timm:timm/test_resnet"
    assert (record.model.weights, record.model.pretrained_on) == ("", "")
    assert record.model.trainable_parameters == record.model.parameters
    assert record.measured.steps == 3


def test_a_frozen_model_with_published_weights_trains_its_head_alone_and_can_be_scored_again(
    zoo: Zoo, light: Path
) -> None:
    name = "timm/test_resnet.r160_in1k"
    torch.manual_seed(0)
    published = timm.create_model("test_resnet").state_dict()
    folder = cache_dir() / "weights" / portable(f"zoo-timm:{name}")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(published, folder / "test_resnet.r160_in1k.safetensors")
    done = zoo(*BENCH, "--model", name, "--set", "freeze=true", "--seeds", "2", "--save")
    assert done.code == 0, done.err
    first, second = sorted(records(), key=lambda record: record.seed)
    assert first.model.weights == "test_resnet.r160_in1k.safetensors"
    assert first.model.pretrained_on == "timm's r160_in1k"
    for record in (first, second):
        assert "features" in [phase.name for phase in record.phases]
    (path,) = Path("results").glob(f"*/{first.id}/checkpoint.safetensors")
    kept = load_file(path)
    backbone = {key: tensor for key, tensor in kept.items() if key.startswith("backbone.")}
    assert first.model.trainable_parameters == sum(kept[key].numel() for key in kept.keys() - backbone.keys())
    assert all(torch.equal(tensor, published[key.removeprefix("backbone.")]) for key, tensor in backbone.items())
    again = json.loads(zoo("eval", path, "--device", "cpu", "--json").out)
    assert again["scores"] == first.measured.scores
