"""Options that several commands share."""

from __future__ import annotations

import typer

RESULTS = typer.Option("--results", envvar="ZOO_RESULTS", help="Folder that holds the records.")
DATA_ROOT = typer.Option(
    "--data-root",
    envvar="ZOO_DATA_ROOT",
    help="Folder or archive with the data set's files; for several data sets, a folder with a subfolder for each.",
)
JSON = typer.Option("--json", help="Print JSON instead of text.")
NO_NETWORK = typer.Option("--offline", help="Do not use the network.")
