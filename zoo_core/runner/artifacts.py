"""Artifacts, the files that belong to a record, limited in size: per-example results and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo_core.pictures import png

MIB = 1 << 20
MAX_ARTIFACT_BYTES = 16 * MIB


class Artifacts:
    """Writes a trial's artifacts to its staging folder. `left_out`: name of each artifact not written -> reason."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.per_example = ""
        self.pictures: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

    def keep_per_example(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Write the arrays as one `.npz` file. Raises TypeError for arrays of objects, which would need pickle."""
        if not arrays or self._is_too_large("per-example results", sum(array.nbytes for array in arrays.values())):
            return
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise TypeError(f"per-example results {name!r} hold objects; only numbers can be kept")
        self.per_example = "per_example.npz"
        np.savez_compressed(self._folder / self.per_example, **arrays)  # type: ignore[arg-type]

    def keep_pictures(self, pictures: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Write each picture, uint8 (height, width, 3), as a PNG file. The file name is a number, never the name."""
        for number, (name, picture) in enumerate(pictures.items()):
            content = png(picture)
            if not self._is_too_large(f"picture {name}", len(content)):
                self.pictures[name] = f"picture-{number}.png"
                (self._folder / self.pictures[name]).write_bytes(content)

    def _is_too_large(self, what: str, size: int) -> bool:
        if size <= MAX_ARTIFACT_BYTES:
            return False
        self.left_out[what] = f"{size / MIB:.1f} MiB, over the limit of {MAX_ARTIFACT_BYTES // MIB}"
        return True
