"""The command `nix-cache use`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode


def use(
    given: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The cache's URL, a stack's name, a file with its outputs, or - for standard "
            "input. With --remove also the name under which the cache is used.",
        ),
    ],
    writer: Annotated[
        str | None,
        typer.Option("--as", metavar="WRITER", help="Also bring the key and credential to push."),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option("--reader", metavar="NAME", help="Whose credential reads a private cache."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Under which it is used here. Default: its bucket's name."),
    ] = None,
    system: Annotated[
        bool | None,
        typer.Option(
            "--system/--user",
            help="Whose nix.conf. Default: the whole machine's for root, else the user's.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take out again all that this command put in.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Agree to a first use. Never agrees to changed keys or places."
        ),
    ] = False,
    expect_key: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-key",
            metavar="NAME:BASE64",
            help="Agree to exactly these public keys. Give it once for each key of the cache.",
            show_default=False,
        ),
    ] = None,
    replace_credentials: Annotated[
        bool,
        typer.Option(
            "--replace-credentials",
            help="Agree that the source's key pairs replace those written for this cache.",
        ),
    ] = False,
    project: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of the stack's program. Default: this one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Make this machine use a cache: its URL, its keys and, if need be, its credentials.

    The settings go into a file of their own, which nix.conf includes. What nix.conf says already
    stays as it is.
    """
    from nix_cache.cli.use import consent, session

    request = session.Request(
        given=given,
        writer=writer,
        reader=reader,
        name=name,
        system=system,
        dry_run=dry_run,
        agreement=consent.Agreement(
            first_use=yes,
            keys=consent.expected_keys(expect_key or ()),
            key_pairs=replace_credentials,
        ),
        project=project,
    )
    if remove:
        session.remove(request, as_json=as_json)
    elif not session.use(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
