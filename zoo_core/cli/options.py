"""Options that several commands have."""

from __future__ import annotations

import typer

RESULTS = typer.Option("--results", envvar="ZOO_RESULTS", help="The folder that records go to.")
DATA_ROOT = typer.Option(
    "--data-root",
    envvar="ZOO_DATA_ROOT",
    help="The data set's folder or archive; with several data sets a folder that holds one for each by name.",
)
