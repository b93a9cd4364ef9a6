"""Options that several commands have."""

from typing import Annotated

import typer

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
