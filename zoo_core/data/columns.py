"""Decoded data as named columns: the names of `zoo_core.columns`, where plugins import them from."""

from zoo_core.columns import Array, Column, Columns, Ragged, Split, length, load, save

__all__ = ["Array", "Column", "Columns", "Ragged", "Split", "length", "load", "save"]
