"""The command `zoo`. Each command has its own module, which parses options, calls the zoo and prints."""

from zoo_core.cli.app import app, main

__all__ = ["app", "main"]
