"""Importing it raises an exception."""

raise RuntimeError("out of luck")
