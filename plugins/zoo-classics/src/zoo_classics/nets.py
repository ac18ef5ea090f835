"""The specs of the classic nets. Imports no torch."""

from __future__ import annotations

from zoo_core import ModelSpec

MODELS: list[ModelSpec] = []
