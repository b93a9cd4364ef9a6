"""The command `nix-cache push`: its options. What it does is imported when it runs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ClientError, ExitCode, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.options import (
    JOBS,
    AsJson,
    Jobs,
    KeepDays,
    KeepRevisions,
    LimitRate,
    PartSize,
    WriterCache,
)


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
    jobs: Jobs = JOBS,
    upload_all: Annotated[
        bool,
        typer.Option("--all", help="Also upload paths that an upstream cache of the stack signed."),
    ] = False,
    check_upstream: Annotated[
        bool,
        typer.Option(
            "--check-upstream",
            help="Ask the upstream caches which paths they have, whatever the local signatures "
            "are.",
        ),
    ] = False,
    part_size: PartSize = None,
    limit_rate: LimitRate = None,
    logs: Annotated[bool, typer.Option("--logs", help="Also upload build logs.")] = False,
    listings: Annotated[
        bool, typer.Option("--listings", help="Also upload a list of the files of each path.")
    ] = False,
    debug_info: Annotated[
        bool, typer.Option("--debug-info", help="Also upload an index of debug info files.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Upload the named paths again even if the cache has them, and all other paths of "
            "their closures whose NAR is missing or has the wrong size, or that readers refuse.",
        ),
    ] = False,
    pin: Annotated[
        str | None,
        typer.Option(
            "--pin",
            metavar="NAME",
            help="Pin the path, the only one that is named, under this name after it was pushed.",
            show_default=False,
        ),
    ] = None,
    keep_revisions: KeepRevisions = None,
    keep_days: KeepDays = None,
    as_json: AsJson = False,
) -> None:
    """Sign store paths and upload them with their closures.

    Skips paths that the cache has. Signs those that no current key of the cache signed, if they are
    the same in the local store. Uploads a named path again if its NAR is missing or has the wrong
    size. Exits with 1 if the cache has a path that readers will refuse.
    """
    from nix_cache.cli.nix.closure import roots
    from nix_cache.cli.nix.held_closure import held_closure
    from nix_cache.cli.upload.options import Further, UploadOptions
    from nix_cache.cli.upload.writer import find_writer

    given = list(paths or ())
    if stdin:
        from nix_cache.cli.nix.store_paths import entries_in

        given += [entry for _, entry in entries_in(Path("-"))]
    elif not given:
        raise UsageError("no paths to push", "name store paths, or add --stdin to read them")
    options = UploadOptions.of(
        jobs=jobs,
        part_size=part_size,
        limit_rate=limit_rate,
        has_events=as_json,
        leaves_to_upstreams=not upload_all,
        asks_upstreams=check_upstream,
    )
    options = replace(options, further=Further(logs, listings, debug_info), repairs=repair)
    if upload_all and check_upstream:
        raise UsageError("--all and --check-upstream contradict each other", "give one of them")
    request = None
    if (pin, keep_revisions, keep_days) != (None, None, None):
        from nix_cache.cli.upload.pinning import KeepRules, PinRequest

        request = PinRequest.of(pin, KeepRules(keep_revisions, keep_days))
    writer = find_writer(cache)
    pinned = request.path_among(given, writer.manifest.store_dir) if request else None
    failure: ClientError | None = None
    if given:
        with held_closure(roots(given, writer.manifest.store_dir)) as closure:
            from nix_cache.cli.upload import session  # it takes as long to load as Nix to answer

            result = session.push_closure(writer, closure, options)
    from nix_cache.cli.upload import report

    if not given:
        console.note("Nothing to push: standard input contains no paths.")
        result = report.Result(writer.record.name, writer.key.name, [], 0, [], 0.0)
    if request and pinned:
        try:
            result = request.fulfil(writer, pinned, result, has_events=as_json)
        except ClientError as mistake:
            failure = mistake
    if as_json:
        console.document(report.document(result))
    elif given:
        report.print_result(result)
    if failure is not None:
        raise failure
    if result.refused:
        raise typer.Exit(ExitCode.FAILED)
