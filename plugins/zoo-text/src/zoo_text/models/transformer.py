"""A decoder-only transformer (Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2019).

LayerNorm before each part (Xiong et al. 2020, arXiv:2002.04745), positions by rotation (Su et al. 2021,
arXiv:2104.09864), weights of embedding and logits shared (Press and Wolf 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import RecipeError, Signature

BASE = 10_000.0  # of the wavelengths of the rotation
INITIAL_STD = 0.02


class Transformer(nn.Module):
    """int64 (batch, time) -> logits (batch, time, symbols); each position sees itself and those before it."""

    def __init__(self, signature: Signature, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        assert signature.outputs is not None
        self.embedding = nn.Embedding(signature.outputs, width)
        self.dropout = nn.Dropout(dropout)
        blocks = [Block(width, heads, dropout) for _ in range(layers)]
        self.blocks, self.head_width = nn.ModuleList(blocks), width // heads
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(signature.outputs))
        nn.init.normal_(self.embedding.weight, std=INITIAL_STD)
        for block in blocks:
            for weight in (block.out.weight, block.last.weight):  # the sum over the blocks keeps its size
                nn.init.normal_(weight, std=INITIAL_STD / (2 * layers) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.embedding(x))
        turns = rotation(x.shape[1], self.head_width, x.device)
        for block in self.blocks:
            hidden = block(hidden, turns)
        return F.linear(self.norm(hidden), self.embedding.weight, self.bias)


class Block(nn.Module):
    """Causal self-attention and two dense layers, each added to its input: (batch, time, width) -> the same."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_width, self.rate = heads, width // heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.last = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        batch, time, width = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, time, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)  # each (batch, heads, time, width of a head)
        attended = F.scaled_dot_product_attention(
            rotate(query, turns), rotate(key, turns), value, is_causal=True, dropout_p=self.rate * self.training
        )
        x = x + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, time, width)))
        fed: Tensor = self.dropout(self.last(F.gelu(self.first(self.norm2(x)))))
        return x + fed


def rotation(time: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the angles by place and pair of numbers: each float32 (time, width / 2)."""
    rates = BASE ** (-torch.arange(0, width, 2, device=device) / width)
    angles = torch.arange(time, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of numbers (i, i + width / 2) of x (..., time, width) by its angle."""
    cosine, sine = (part.to(x.dtype) for part in turns)
    left, right = x.chunk(2, -1)
    return torch.cat([left * cosine - right * sine, left * sine + right * cosine], -1)


def transformer(signature: Signature, *, width: int, layers: int, heads: int, dropout: float) -> nn.Module:
    """Raises RecipeError if the width cannot be divided into heads of an even width."""
    if width % (2 * heads):
        raise RecipeError(f"width {width} cannot be divided into {heads} heads of an even width")
    return Transformer(signature, width=width, layers=layers, heads=heads, dropout=dropout)
