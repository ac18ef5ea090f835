"""The command `zoo`: one file a command; each parses, calls and prints."""

from zoo_core.cli.app import app, main

__all__ = ["app", "main"]
