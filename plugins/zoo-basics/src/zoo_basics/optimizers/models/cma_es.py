"""CMA-ES (Hansen and Ostermeier 2001), by the library cma."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo_basics.optimizers.models.searcher import Searcher
from zoo_basics.optimizers.oracle import Oracle
from zoo_core import Signature

NEVER = {"maxiter": 10**9, "tolfun": 0, "tolfunhist": 0, "tolx": 0, "tolstagnation": 10**9, "tolflatfitness": 10**9}


class CmaEs(Searcher):
    """The library's defaults, with the first standard deviation `scale`. The oracle ends the search."""

    def __init__(self, signature: Signature, lowest: float, highest: float) -> None:
        super().__init__(signature, lowest=lowest, highest=highest)

    def forward(self, oracle: Oracle, starts: Tensor, scale: float) -> None:
        with warnings.catch_warnings():  # about matplotlib, and about numbers that a wide search made infinite
            warnings.simplefilter("ignore")
            import cma  # type: ignore[import-untyped]

            rng = np.random.default_rng(oracle.seed())
            options: dict[str, Any] = {**NEVER, "seed": np.nan, "randn": lambda *shape: rng.standard_normal(shape)}
            options |= {"verbose": -9, "verb_log": 0, "verb_disp": 0}
            searches = [cma.CMAEvolutionStrategy(start.tolist(), scale, options) for start in starts]
            while True:
                asked = np.array([search.ask() for search in searches])  # (runs, population, size)
                values = oracle.values(torch.from_numpy(asked).to(starts.device)).cpu().numpy()
                for search, points, found in zip(searches, asked, values, strict=True):
                    search.tell(list(points), np.nan_to_num(found, nan=1e300, posinf=1e300).tolist())
