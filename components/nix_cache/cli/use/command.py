"""The command `nix-cache use`: its options. What it does is imported when it runs."""

from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode
from nix_cache.cli.options import AsJson, Project


def use(
    given: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The URL of a cache, a stack, or a file with the output of a stack (- for "
            "standard input). With --remove also the cache's name on this machine.",
        ),
    ],
    writer: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="WRITER",
            help="Also install the signing key and the credential of this writer.",
        ),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            "--reader", metavar="NAME", help="Read a private cache with this reader's credential."
        ),
    ] = None,
    push_only: Annotated[
        bool,
        typer.Option(
            "--push-only",
            help="With --as: install what pushing needs, and leave nix.conf and the reader's "
            "credential alone.",
        ),
    ] = False,
    janitor: Annotated[
        bool,
        typer.Option(
            "--janitor",
            help="Also install the credential of the cache's janitor, for `nix-cache gc`, "
            "`remove`, `stats` and `pins`.",
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="The cache's name on this machine. Default: the name of its bucket.",
        ),
    ] = None,
    system: Annotated[
        bool | None,
        typer.Option(
            "--system/--user",
            help="Configure the whole machine, or only the current user. Default: --system for "
            "root, else --user.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove all that this command added for the cache.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Trust the keys of a cache that is new to this machine. Changed keys or "
            "addresses of a known cache need more than that.",
        ),
    ] = False,
    expect_key: Annotated[
        list[str] | None,
        typer.Option(
            "--expect-key",
            metavar="NAME:BASE64",
            help="Trust exactly these public keys. Repeat it for each key of the cache.",
            show_default=False,
        ),
    ] = None,
    replace_credentials: Annotated[
        bool,
        typer.Option(
            "--replace-credentials",
            help="Replace the credentials that this machine has for the cache.",
        ),
    ] = False,
    connect_timeout: Annotated[
        int | None,
        typer.Option(
            "--connect-timeout",
            min=0,
            max=300,
            metavar="SECONDS",
            help="Let Nix wait at most SECONDS for a connection to any cache, such as 5. 0 leaves "
            "that to Nix.",
            show_default=False,
        ),
    ] = None,
    fallback: Annotated[
        bool | None,
        typer.Option(
            "--fallback/--no-fallback",
            help="Let Nix build what a cache fails to deliver, also while it does not answer.",
            show_default=False,
        ),
    ] = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Configure this machine to use a cache.

    Writes the cache's URL, public keys and, if needed, credentials to separate files, and includes
    them in nix.conf. Other settings in nix.conf do not change.
    """
    from nix_cache.cli.use import consent, outages, session

    request = session.UseRequest(
        given=given,
        writer=writer,
        reader=reader,
        push_only=push_only,
        janitor=janitor,
        name=name,
        system=system,
        dry_run=dry_run,
        agreement=consent.Agreement(
            first_use=yes,
            keys=consent.expected_keys(expect_key or ()),
            key_pairs=replace_credentials,
        ),
        project=project,
        outages=outages.OutageWish(connect_timeout, fallback),
    )
    if remove:
        session.remove(request, as_json=as_json)
    elif not session.use(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
