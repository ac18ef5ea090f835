"""Counts the FLOPs of a forward pass by torch's own formulas. An operator without a formula makes the count unknown."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

# Operators that move, reduce or look up data. Their work is small compared to the products that are counted.
CHEAP = frozenset(
    {
        "_adaptive_avg_pool2d",
        "_local_scalar_dense",
        "_log_softmax",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_safe_softmax",
        "_softmax",
        "_to_copy",
        "_unique2",
        "_unsafe_view",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_max_pool2d",
        "all",
        "amax",
        "amin",
        "any",
        "arange",
        "argmax",
        "argmin",
        "as_strided",
        "avg_pool1d",
        "avg_pool2d",
        "batch_norm",
        "cat",
        "clone",
        "constant_pad_nd",
        "copy_",
        "cudnn_batch_norm",
        "cumsum",
        "detach",
        "embedding",
        "empty",
        "empty_like",
        "empty_strided",
        "expand",
        "fill_",
        "flip",
        "floor_divide",
        "full",
        "full_like",
        "gather",
        "hardswish",
        "index",
        "index_put",
        "index_select",
        "lift_fresh",
        "linalg_vector_norm",
        "log_softmax",
        "max",
        "max_pool2d",
        "max_pool2d_with_indices",
        "max_pool3d_with_indices",
        "mean",
        "min",
        "mkldnn_max_pool2d",
        "native_batch_norm",
        "native_dropout",
        "native_group_norm",
        "native_layer_norm",
        "new_empty",
        "new_full",
        "new_ones",
        "new_zeros",
        "nms",
        "nonzero",
        "ones",
        "ones_like",
        "pixel_shuffle",
        "pixel_unshuffle",
        "prod",
        "rand",
        "rand_like",
        "randn",
        "randn_like",
        "reflection_pad2d",
        "repeat",
        "replication_pad2d",
        "roi_align",
        "roll",
        "scalar_tensor",
        "scatter",
        "select",
        "slice",
        "softmax",
        "sort",
        "split",
        "stack",
        "std",
        "sum",
        "topk",
        "tril",
        "triu",
        "upsample_bilinear2d",
        "upsample_nearest2d",
        "var",
        "var_mean",
        "where",
        "zero_",
        "zeros",
        "zeros_like",
    }
)


class _OperatorRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every operator that runs inside the context."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(func)
        return func(*args, **(kwargs or {}))


def count_flops(model: nn.Module, example: Any) -> tuple[int | None, str]:
    """Count the FLOPs of one forward pass in the current mode, two per multiply-add; or return None and the reason."""
    operators = _OperatorRecorder()
    with FlopCounterMode(display=False) as counter, operators, torch.no_grad():
        model(example)
    unknown = sorted({func._schema.name for func in operators.seen if not _is_known(func)})
    if unknown:
        return None, f"torch has no formula for {', '.join(unknown)}"
    total = counter.get_total_flops()
    return (total, "") if total else (None, "no operator with a formula was run")


def _is_known(func: Any) -> bool:
    packet = func.overloadpacket
    if packet in flop_registry or torch.Tag.pointwise in func.tags or func.is_view:
        return True
    return packet.__name__ in CHEAP or packet.__name__.removesuffix("_") in CHEAP
