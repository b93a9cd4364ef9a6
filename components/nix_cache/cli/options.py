"""Options that several commands have."""

from typing import Annotated

import typer

JOBS = 25
"""Requests at a time, as many as Nix's own ``http-connections``."""

WriterCache = Annotated[
    str | None,
    typer.Option(
        "--to",
        "--cache",
        metavar="CACHE",
        help="The name of a cache in use here. Default: the one that this machine writes to.",
        show_default=False,
    ),
]
"""Which cache a command that pushes is about."""
