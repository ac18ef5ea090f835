"""The layers of a network in the order in which they run, with the shapes of what they return."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from zoo_core.errors import IncompatibleError, UnknownNameError

LISTING = "`zoo inspect CHECKPOINT --layers` lists them"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A module of a network that returned one tensor.

    name: as in `named_modules`. shape: of what it returns for one image, without the batch axis.
    is_shortcut: whether it is a 1x1 convolution of the same tensor as a convolution before it, as on the shortcut of a
        residual block, which runs after the convolutions of the block.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    is_shortcut: bool = False

    @property
    def class_name(self) -> str:
        """The name of its class, such as `Conv2d`."""
        return type(self.module).__name__

    @property
    def parameters(self) -> int:
        """The number of its own parameters and those of the modules in it."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def has_maps(self) -> bool:
        """Whether it returns maps: (channels, height, width)."""
        return len(self.shape) == 3


def list_layers(model: nn.Module, x: Tensor) -> list[Layer]:
    """Run the model on the inputs `x` (n, ...) and list its layers, each when it has run for the last time."""
    found: dict[str, Layer] = {}
    convolved: list[Tensor] = []  # the inputs of the convolutions so far

    def noting(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def note(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            found.pop(name, None)  # a module that runs twice is listed where it runs last
            is_shortcut = False
            if isinstance(module, nn.Conv2d) and inputs and isinstance(inputs[0], Tensor):
                is_shortcut = module.kernel_size == (1, 1) and any(inputs[0] is earlier for earlier in convolved)
                convolved.append(inputs[0])
            if isinstance(output, Tensor):
                shape = tuple(output.shape[1:])
                found[name] = Layer(name=name, module=module, shape=shape, is_shortcut=is_shortcut)

        return note

    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            if name:  # the whole model is no layer
                stack.callback(module.register_forward_hook(noting(name)).remove)
        model(x)
    return list(found.values())


def choose_layer(layers: Sequence[Layer], name: str = "") -> Layer:
    """Return the layer of that name, by default the last convolution whose maps have more than one position.

    A shortcut is chosen only by its name. Raises UnknownNameError, and IncompatibleError for a layer without maps or a
    network without convolutions.
    """
    if name:
        chosen = next((layer for layer in layers if layer.name == name), None)
        if chosen is None:
            raise UnknownNameError("layer", name, [layer.name for layer in layers if layer.has_maps], hint=LISTING)
        if not chosen.has_maps:
            raise IncompatibleError(
                f"layer {name} ({chosen.class_name}) returns {chosen.shape} for an image, not maps (channels, height, "
                f"width): choose another; {LISTING}"
            )
        return chosen
    convolutions = [layer for layer in layers if isinstance(layer.module, nn.Conv2d) and layer.has_maps]
    if not convolutions:
        with_maps = [layer.name for layer in layers if layer.has_maps]
        advice = f"name one of its other layers that return maps, such as --layer {with_maps[-1]}" if with_maps else ""
        advice = advice or "it has no layer that returns maps (channels, height, width), so there is nothing to show"
        raise IncompatibleError(f"the model has no convolution: {advice}")
    # A convolution over the whole of its input, as the last one of LeNet-5, returns one position: no map to look at.
    wide = [layer for layer in convolutions if layer.shape[1] * layer.shape[2] > 1]
    return ([layer for layer in wide if not layer.is_shortcut] or wide or convolutions)[-1]
