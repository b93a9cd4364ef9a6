"""The command `nix-cache stats`: its options. What it does is imported when it runs."""

from collections.abc import Mapping
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
    refuse_with,
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
    traffic: Annotated[
        bool,
        typer.Option(
            "--traffic",
            help="Print who read what, by the access logs that AWS S3 keeps with the setting "
            "aws.accessLogs, and not what the bucket has. With a profile that can list and read "
            "the log bucket as --owner.",
        ),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="With --traffic: requests at this time or later, such as 2026-11-27T08:00Z. "
            "Default: a day before --until.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="With --traffic: requests before this time. Default: now.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = JOBS,
    same_cache: SameCache = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Print what a cache has: paths, bytes, signing keys, growth, and the cost of the storage.

    Lists the bucket and reads every narinfo. Changes nothing. With --live or --traffic, prints who
    reads what instead: on MinIO from now on, on AWS S3 by its access logs.
    """
    if live and traffic:
        raise UsageError("--live and --traffic exclude each other", "leave out one of them")
    _require("--live", live, {"--for": seconds})
    _require("--traffic", traffic, {"--since": since, "--until": until})
    of_contents = {"--prices": prices, "--older-than": older_than, "--grace": grace}
    if live:
        refuse_with("--live", {**of_contents, "--prometheus": prometheus})
        from nix_cache.cli.stats import live_session

        live_session.run(one_cache(cache, same_cache), project, owner, seconds, as_json=as_json)
        return
    if traffic:
        refuse_with("--traffic", of_contents)
        from nix_cache.cli.stats import log_session

        asked = log_session.TrafficRequest(
            cache=one_cache(cache, same_cache),
            project=project,
            owner=owner,
            since=since,
            until=until,
            prometheus=prometheus,
            jobs=jobs,
        )
        log_session.run(asked, as_json=as_json)
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


def _require(option: str, is_given: bool, values: Mapping[str, object]) -> None:
    """Refuse options that need another one, which is not given."""
    for name, value in values.items():
        if value is not None and not is_given:
            raise UsageError(
                f"{name} has no meaning without {option}", f"add {option}, or leave out {name}"
            )
