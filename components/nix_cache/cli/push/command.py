"""The command `nix-cache push`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.options import JOBS, WriterCache


def push(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Store paths, or links to them such as ./result.",
            show_default=False,
        ),
    ] = None,
    cache: WriterCache = None,
    stdin: Annotated[
        bool,
        typer.Option(
            "--stdin",
            help="Read further paths from standard input, separated by white space or NUL.",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=256, help="How many requests at a time.")
    ] = JOBS,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Sign store paths with all that they need, and copy them into a cache.

    What is there already is skipped. Exits 1 if readers will refuse anything of it.
    """
    from nix_cache.cli.nix.store_paths import entries_in
    from nix_cache.cli.upload import report, session
    from nix_cache.cli.upload.writer import find_writer

    given = list(paths or ())
    if stdin:
        given += [entry for _, entry in entries_in(Path("-"))]
    elif not given:
        raise UsageError("there is nothing to push", "name paths, or read them with --stdin")
    writer = find_writer(cache)
    if given:
        result = session.push(writer, given, jobs)
    else:
        console.note("Standard input named no paths: there is nothing to push.")
        result = report.Result(writer.record.name, writer.key.name, [], 0, [], 0.0)
    if as_json:
        console.document(report.document(result))
    elif given:
        report.tell(result)
    if result.refused:
        raise typer.Exit(ExitCode.FAILED)
