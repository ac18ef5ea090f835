"""Pictures of optimizers: paths on the contour map of each function of the plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zoo_basics.drawing import Box, Panel, sheet
from zoo_basics.optimizers.functions import TestFunction
from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, INK, ORANGE

MAP = (96, 120)  # rows and columns at which the function is computed
BANDS = 14  # of grey, each a step on the log axis
MARGIN = 0.25  # of the box of starting points, added on each side


def path_sheet(drawn: Sequence[tuple[str, TestFunction, Array]]) -> dict[str, Array]:
    """Draw `thumbnail`, the first panel, and `paths`, all panels; nothing without a function of the plane.

    drawn: name, function and paths (points, runs, 2).
    """
    panels = [path_panel(name, function, paths).draw() for name, function, paths in drawn]
    return {"thumbnail": panels[0], "paths": sheet(panels, columns=3)} if panels else {}


def path_panel(name: str, function: TestFunction, paths: Array) -> Panel:
    """Draw the paths in orange and blue on the map, with a black dot at the minimum."""
    width, height = function.high[0] - function.low[0], function.high[1] - function.low[1]
    box = Box(
        function.low[0] - MARGIN * width,
        function.high[0] + MARGIN * width,
        function.low[1] - MARGIN * height,
        function.high[1] + MARGIN * height,
    )
    return Panel(
        box=box,
        background=contour_map(function, box),
        caption=name,
        paths=[(paths[:, run], (ORANGE, BLUE)[run % 2]) for run in range(paths.shape[1])],
        points=[(np.array([function.minimum]), INK)],
    )


def contour_map(function: TestFunction, box: Box) -> Array:
    """Draw the function in bands of grey on a log axis, dark where it is low: uint8 (rows, columns, 3)."""
    values = function.value(torch.from_numpy(box.grid(*MAP)).double()).view(MAP).numpy()
    levels = np.log(values + 1e-2 * np.median(values))
    shares = (levels - levels.min()) / (levels.max() - levels.min())
    grey = (150 + 100 * np.floor(shares * BANDS) / BANDS).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
