"""Decoded data as named columns, under the name that plugins import: the code is in `zoo_core.columns`."""

from zoo_core.columns import Array, Column, Columns, Ragged, Split, length, load, save

__all__ = ["Array", "Column", "Columns", "Ragged", "Split", "length", "load", "save"]
