"""Runs a model over a whole split, in batches, and refuses outputs that cannot be scored."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo_core.columns import Array
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.errors import WrongOutputError
from zoo_core.kinds.objective import Forward, HasReduce, Objective
from zoo_core.outputs import FiniteOutputs, form_of

MAX_EVALUATION_BATCH = 256  # examples
MAX_EVALUATION_VALUES = 1 << 21  # numbers in the inputs of a batch: eight grey images of 512x512


def run_over(
    source: DeviceSplit, forward: Forward, objective: Objective, *, split: str, kind: str
) -> tuple[Array, dict[str, Array]]:
    """Return the outputs (n, ...) for all examples, reduced by the objective, and all columns except `x`.

    split, kind: names, for messages. Raises DivergedError if outputs are not finite, and WrongOutputError.
    """
    outputs: list[Tensor] = []
    columns: dict[str, list[Tensor]] = {}
    finite = FiniteOutputs()
    for batch in source.in_order(evaluation_batch(source)):
        output = forward(batch)
        kept = _kept(output, batch, objective, kind)
        # Of padded outputs, only what the objective keeps counts. Counts of pixels are never nan: ask the logits.
        numbers = kept if kept.is_floating_point() else output
        if isinstance(numbers, Tensor) and numbers.is_floating_point():
            finite.add(numbers)
        outputs.append(kept)
        for name, values in batch.items():
            if name != "x":
                columns.setdefault(name, []).append(values)
    finite.require(f"examples of {split}")
    return _as_array(outputs), {name: _as_array(parts) for name, parts in columns.items()}


def evaluation_batch(split: DeviceSplit) -> int:
    """Return how many examples to evaluate at once: fewer if they are large."""
    size = max(1, split.first(1)["x"].numel())
    return max(1, min(MAX_EVALUATION_BATCH, MAX_EVALUATION_VALUES // size))


def _kept(output: Tensor, batch: Batch, objective: Objective, kind: str) -> Tensor:
    """Return what is kept of a batch's output. Raises WrongOutputError unless that is a row for each example."""
    reduces = isinstance(objective, HasReduce)
    kept = objective.reduce(output, batch) if isinstance(objective, HasReduce) else output
    count = len(next(iter(batch.values())))
    if not isinstance(kept, Tensor) or kept.shape[:1] != (count,):
        returned = "the objective's `reduce`" if reduces else "forward"
        raise WrongOutputError(
            f"{returned} returned {form_of(kept)} for a batch of {count} examples; {kind} wants a tensor with a row "
            "for each example"
        )
    # A copy, because a model may return the same buffer for every batch, as CUDA graphs do.
    return kept if reduces else kept.to(torch.float32, copy=True)


def _as_array(parts: list[Tensor]) -> Array:
    """Join batches into one numpy array."""
    return torch.cat(parts).cpu().numpy()
