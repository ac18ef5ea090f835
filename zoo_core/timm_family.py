"""Names and published weights of timm's models, for a plugin whose model family is made of them.

timm is imported when a function is called. A plugin that uses this module depends on timm itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UnknownNameError
from zoo_core.specs import Download

if TYPE_CHECKING:
    from torch import nn

HUB = "https://huggingface.co"
DIGEST = re.compile(r"-([0-9a-f]{8,64})\.\w+$")  # the first digits of a file's sha256, at the end of its name


@dataclass(frozen=True, kw_only=True, slots=True)
class TimmModel:
    """A model that timm has.

    name: timm's own, with its tag; config: timm's `PretrainedCfg`; pretrained: the name has a tag, which stands for
    published weights.
    """

    name: str
    config: Any
    pretrained: bool


def list_names(prefix: str, pattern: str) -> list[str]:
    """List the names that match a shell pattern, both with the prefix; with tags if the pattern has a dot."""
    import timm

    bare = pattern.removeprefix(prefix)
    return [prefix + name for name in timm.list_models(bare, pretrained="." in bare)]


def find_model(prefix: str, name: str) -> TimmModel:
    """Look up `<prefix><timm's name>` or `<prefix><timm's name>.<tag>`.

    Raises UnknownNameError with the nearest names of timm.
    """
    import timm
    from timm.models import get_pretrained_cfg

    bare = name.removeprefix(prefix)
    architecture, dot, tag = bare.partition(".")
    if not timm.is_model(architecture):
        known = [prefix + other for other in timm.list_models()]
        raise UnknownNameError("model", name, known, hint=f"zoo list models '{prefix}*'")
    tagged = timm.list_models(f"{architecture}.*", pretrained=True)
    if dot and bare not in tagged:
        known = [prefix + other for other in tagged]
        raise UnknownNameError("model", name, known, hint=f"zoo list models '{prefix}{architecture}.*'")
    return TimmModel(name=bare, config=get_pretrained_cfg(bare), pretrained=bool(tag))


def pretrained_fields(model: TimmModel) -> dict[str, Any]:
    """Fields of a ModelSpec that describe the published weights; empty for a model with random weights."""
    if not model.pretrained:
        return {}
    return {
        "mean": model.config.mean,
        "std": model.config.std,
        "weights": weights_download(model),
        "pretrained_on": f"timm's {model.config.tag}",
    }


def weights_download(model: TimmModel) -> Download:
    """Locate the file of weights on the Hugging Face hub, or at timm's own address.

    timm states no commit for the hub: the zoo replaces the branch `main` by its commit at the first download, and the
    record names it. The checksum is known only for timm's own files, whose names end in the first digits of it.
    """
    known = model.config
    if known.hf_hub_id or not known.url:
        repository, file = known.hf_hub_id or f"timm/{model.name}", known.hf_hub_filename or "model.safetensors"
        return Download(name=model.name + Path(file).suffix, urls=(f"{HUB}/{repository}/resolve/main/{file}",))
    digest = DIGEST.search(known.url)
    return Download(name=known.url.rpartition("/")[2], urls=(known.url,), sha256=digest[1] if digest else "")


def last_layer(net: nn.Module) -> tuple[str, ...]:
    """Names of a timm model's last layer (or layers), for `load_into(net, weights, without=...)`."""
    config: Any = net.pretrained_cfg
    names = config.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)
