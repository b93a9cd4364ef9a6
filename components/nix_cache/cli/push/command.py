"""The command `nix-cache push`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.options import JOBS, AsJson, WriterCache


def push(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Store paths, or links to them such as ./result.",
            show_default=False,
        ),
    ] = None,
    cache: WriterCache = None,
    stdin: Annotated[
        bool,
        typer.Option(
            "--stdin",
            help="Also push the paths on standard input, separated by white space or NUL.",
        ),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, max=256, metavar="N", help="The number of parallel requests."
        ),
    ] = JOBS,
    as_json: AsJson = False,
) -> None:
    """Sign store paths and upload them with their closures.

    Skips paths that the cache has. Exits with 1 if the cache has a path that readers will refuse.
    """
    from nix_cache.cli.nix.store_paths import entries_in
    from nix_cache.cli.upload import report, session
    from nix_cache.cli.upload.writer import find_writer

    given = list(paths or ())
    if stdin:
        given += [entry for _, entry in entries_in(Path("-"))]
    elif not given:
        raise UsageError("no paths to push", "name store paths, or add --stdin to read them")
    writer = find_writer(cache)
    if given:
        result = session.push(writer, given, jobs)
    else:
        console.note("Nothing to push: standard input contains no paths.")
        result = report.Result(writer.record.name, writer.key.name, [], 0, [], 0.0)
    if as_json:
        console.document(report.document(result))
    elif given:
        report.tell(result)
    if result.refused:
        raise typer.Exit(ExitCode.FAILED)
