"""The command `nix-cache resign`: its options. What it does is imported when it runs."""

from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode
from nix_cache.cli.options import (
    JOBS,
    AsJson,
    Cache,
    Jobs,
    Project,
    SameCache,
    Yes,
    one_cache,
    owner_option,
)


def resign(
    owner: Annotated[str, owner_option("list, read and write objects in the bucket", default="")],
    cache: Cache = None,
    writer: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="WRITER",
            help="The writer whose current key signs. Default: the one that this machine pushes "
            "as, or the only one.",
            show_default=False,
        ),
    ] = None,
    leaked: Annotated[
        list[str] | None,
        typer.Option(
            "--leaked",
            metavar="KEY",
            help="A public key, NAME:BASE64, that is not trusted any more. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dropped: Annotated[
        bool,
        typer.Option(
            "--dropped",
            help="Confirm that the cache no longer has a leaked key that matches none of its keys, "
            "and that none of the keys that it has leaked besides.",
        ),
    ] = False,
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            metavar="TIME",
            help="Trust what a leaked key signed if the narinfo was written before this time, such "
            "as 2026-11-27T08:00Z. Its NAR is read and has to be what the narinfo states.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be signed, and change nothing.")
    ] = False,
    yes: Yes = False,
    jobs: Jobs = JOBS,
    same_cache: SameCache = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Sign the paths of a cache that only earlier keys signed.

    Signs a path if its signature by a trusted key is valid, or if the local store has the same
    contents. Other signatures stay. A run that was interrupted can be repeated.

    Exits with 1 if the cache has paths that readers will refuse, or narinfos that cannot be read.
    """
    from nix_cache.cli.resign import session

    request = session.SigningRequest(
        cache=one_cache(cache, same_cache),
        project=project,
        owner=owner,
        writer=writer,
        leaked=tuple(leaked or ()),
        before=before,
        is_dropped=dropped,
        dry_run=dry_run,
        agreed=yes,
        jobs=jobs,
    )
    if not session.run(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
