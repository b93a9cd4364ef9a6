"""The command `nix-cache remove`: its options. What it does is imported when it runs."""

from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode
from nix_cache.cli.options import JOBS, AsJson, Jobs, NamedCache, Project, Yes, owner_option


def remove(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="A store path, its hash, or the key of its narinfo.",
            show_default=False,
        ),
    ] = None,
    cache: NamedCache = None,
    owner: Annotated[
        str | None,
        owner_option(
            "list, read and delete objects in the bucket, and their versions where it keeps them"
        ),
    ] = None,
    signed_by: Annotated[
        str | None,
        typer.Option(
            "--signed-by",
            metavar="KEY",
            help="Remove the paths that this key signed: a public key, NAME:BASE64, or its name "
            "alone, which is not verified. Paths that another trusted key signed too are kept.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="With --signed-by: only paths whose narinfo was written at this time or later, "
            "such as 2026-11-27T08:00Z.",
            show_default=False,
        ),
    ] = None,
    with_dependents: Annotated[
        bool,
        typer.Option(
            "--with-dependents",
            help="Also remove the paths that refer to these, directly or not. Without it, the "
            "command refuses to remove a path that another one needs.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and change nothing.")
    ] = False,
    yes: Yes = False,
    jobs: Jobs = JOBS,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Remove store paths at once, such as one with a secret, or what a leaked key signed.

    Removes narinfos, dependents first, then the NARs that no other path uses, without a grace
    period, with their lists of files, realisations, build logs, debug info and old versions. Keeps
    the build log of a derivation while another of its outputs stays. Pushes, pins and root records
    do not prevent it.

    Exits with 1 if a push at the same time lost a path, or if a NAR is kept because another path
    has the same contents.
    """
    from nix_cache.cli.remove import session

    request = session.RemovalRequest(
        cache=cache,
        project=project,
        owner=owner,
        paths=tuple(paths or ()),
        signed_by=signed_by,
        since=since,
        with_dependents=with_dependents,
        dry_run=dry_run,
        agreed=yes,
        jobs=jobs,
    )
    if not session.run(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
