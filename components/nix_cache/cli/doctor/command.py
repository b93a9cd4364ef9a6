"""The command `nix-cache doctor`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode
from nix_cache.cli.options import AsJson, Cache, Project, SameCache, one_cache

SAMPLE = 20
"""Paths to check by default, which takes seconds."""


def doctor(
    cache: Cache = None,
    sample: Annotated[
        int,
        typer.Option("--sample", min=0, metavar="N", help="The number of store paths to check."),
    ] = SAMPLE,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Check every store path. Needs --owner or named paths."),
    ] = False,
    paths_from: Annotated[
        Path | None,
        typer.Option(
            "--paths-from",
            metavar="FILE",
            help="Check the store paths in this file, separated by white space or NUL. A path "
            "that the cache lacks is an error.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        list[str] | None,
        typer.Option(
            "--path",
            metavar="PATH",
            help="Check this store path, and what Nix remembers of it. Repeatable.",
            show_default=False,
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also download the NARs of these paths and verify them."),
    ] = False,
    users: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="USER",
            help="Check the rights of this writer or reader, or of janitor, only. Repeatable.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="PROFILE",
            help="The credentials profile of the bucket's owner. With it, doctor lists the "
            "bucket and reads its lifecycle rules.",
            show_default=False,
        ),
    ] = None,
    same_cache: SameCache = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Check a cache and how this machine uses it.

    Leaves nothing behind. Exits with 1 if it finds errors.
    """
    from nix_cache.cli.doctor import session

    request = session.DoctorRequest(
        cache=one_cache(cache, same_cache),
        project=project,
        users=tuple(users or ()),
        owner=owner,
        count=None if everything else sample,
        paths_from=paths_from,
        named=tuple(named or ()),
        deep=deep,
    )
    if not session.run(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
