"""The command `nix-cache stats`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import UsageError
from nix_cache.cli.options import (
    GRACE_DAYS,
    JOBS,
    MOST_DAYS,
    AsJson,
    Cache,
    Jobs,
    Project,
    SameCache,
    one_cache,
    owner_option,
)


def stats(
    cache: Cache = None,
    owner: Annotated[str | None, owner_option("list and read objects in the bucket")] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            metavar="FILE",
            help="Compute the monthly cost by the prices in this JSON or TOML file, not by the "
            "public list price of the service.",
            show_default=False,
        ),
    ] = None,
    prometheus: Annotated[
        Path | None,
        typer.Option(
            "--prometheus",
            metavar="FILE",
            help="Write the figures to this file (- for standard output) in the text format of "
            "Prometheus, in one step, as the textfile collector of node_exporter needs it.",
            show_default=False,
        ),
    ] = None,
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            min=1,
            max=MOST_DAYS,
            metavar="DAYS",
            help="Also print what `nix-cache gc --older-than DAYS` would delete.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        int | None,
        typer.Option(
            "--grace",
            min=0,
            max=MOST_DAYS,
            metavar="DAYS",
            help="The grace period of that collection, for NARs without a narinfo. "
            f"Default: {GRACE_DAYS}.",
            show_default=False,
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Print the requests to the cache's bucket while the server answers them, and a "
            "summary at the end. For MinIO, with a profile of its administrator as --owner.",
        ),
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for",
            min=1,
            metavar="SECONDS",
            help="End --live after this time. Default: Ctrl-C ends it.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = JOBS,
    same_cache: SameCache = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Print what a cache has: paths, bytes, signing keys, growth, and the cost of the storage.

    Lists the bucket and reads every narinfo. Changes nothing. With --live, prints who reads what
    instead.
    """
    if seconds is not None and not live:
        raise UsageError("--for has no meaning without --live", "add --live, or leave out --for")
    if live:
        given = {"--prices": prices, "--prometheus": prometheus, "--older-than": older_than}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise UsageError(
                f"{wrong[0]} has no meaning with --live", f"leave out {wrong[0]} or --live"
            )
        from nix_cache.cli.stats import live_session

        live_session.run(one_cache(cache, same_cache), project, owner, seconds, as_json=as_json)
        return
    if grace is not None and older_than is None:
        raise UsageError(
            "--grace has no meaning without --older-than",
            "add --older-than DAYS, or leave out --grace",
        )
    from nix_cache.cli.stats import session

    request = session.StatsRequest(
        cache=one_cache(cache, same_cache),
        project=project,
        owner=owner,
        prices=prices,
        prometheus=prometheus,
        jobs=jobs,
        older_than_days=older_than,
        grace_days=GRACE_DAYS if grace is None else grace,
    )
    session.run(request, as_json=as_json)
