"""Makes `python -m zoo_core` run the command `zoo`."""

from zoo_core.cli import main

main()
