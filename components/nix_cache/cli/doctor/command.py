"""The command `nix-cache doctor`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode

SAMPLE = 20
"""How many paths are looked at unless more are asked for: a matter of seconds."""


def doctor(
    cache: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="The name of a cache in use here, a stack, a file or - with the structured "
            "output, or the cache's URL. By default the one cache in use.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", min=0, metavar="N", help="How many paths to look at.")
    ] = SAMPLE,
    everything: Annotated[
        bool, typer.Option("--all", help="Look at every path. Needs --owner or --paths-from.")
    ] = False,
    paths_from: Annotated[
        Path | None,
        typer.Option(
            "--paths-from",
            metavar="FILE",
            help="Look at these store paths, separated by any white space or NUL; each has to be "
            "in the cache.",
            show_default=False,
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Download the NARs of these paths and check their hashes."),
    ] = False,
    users: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="USER",
            help="Look at the rights of this writer or reader alone. May be given several times.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="PROFILE",
            help="A credentials profile of the bucket's owner, who may list it and read its "
            "lifecycle.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option(help="The folder of the stack's program.", show_default="the current one"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a cache and this machine's use of it. Leaves nothing behind. Exits 1 on errors."""
    from nix_cache.cli.doctor import session

    request = session.Request(
        cache=cache,
        project=project,
        users=tuple(users or ()),
        owner=owner,
        count=None if everything else sample,
        paths_from=paths_from,
        deep=deep,
    )
    if not session.run(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
