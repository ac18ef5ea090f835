"""The export of language models: the file takes the numbers of symbols, in sequences of any length.

A file of its own, because `language.py` is part of the experiment key of every trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_core import Context, Exportable
from zoo_text.language import LanguageModel, _text


def language_model(task: LanguageModel, _: Context, model: nn.Module) -> Exportable:
    """Return what a file of a model holds: forward, from the first state, without a state that is carried on.

    An example is a sequence of the recipe's `length` from the start of test. A file of a plain recurrent net takes
    sequences of this length only.
    """
    length = int(task._recipe.length)
    text = _text(task._data.split("test", holdout=task._recipe.holdout), 256 * length)
    count = max(1, len(text) // length)
    sequences = text[: count * length].view(count, -1)

    def batch_of(numbers: Sequence[int]) -> Tensor:
        return sequences[torch.as_tensor(numbers)]

    def expected(numbers: Sequence[int]) -> Tensor:
        x = batch_of(numbers)
        logits: Tensor = model(x)
        task.output_form().require(logits, x)
        return logits

    # torch's exporter writes LSTM and GRU as one operator, and the plain net as one for each step of a known number.
    unrolled = any(type(module) is nn.RNN for module in model.modules())
    axes = {0: "batch"} if unrolled else {0: "batch", 1: "time"}
    return Exportable(
        module=model,
        inputs={"x": axes},
        outputs={"logits": axes},
        count=count,
        examples=lambda numbers: (batch_of(numbers),),
        expected=expected,
    )
