"""The command `nix-cache gc`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode, UsageError
from nix_cache.cli.options import (
    GRACE_DAYS,
    JOBS,
    MOST_DAYS,
    AsJson,
    Cache,
    Jobs,
    Project,
    SameCache,
    Yes,
    one_cache,
    owner_option,
    refuse_with,
)


def gc(
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            min=1,
            max=MOST_DAYS,
            metavar="DAYS",
            help="Keep paths that were pushed within the last DAYS days, with their closures. "
            "Required, except with --undo.",
            show_default=False,
        ),
    ] = None,
    cache: Cache = None,
    owner: Annotated[
        str | None, owner_option("list, read and delete objects in the bucket")
    ] = None,
    roots_from: Annotated[
        Path | None,
        typer.Option(
            "--roots-from",
            metavar="FILE",
            help="Also keep the store paths in this file (- for standard input), separated by "
            "white space or NUL, with their closures.",
            show_default=False,
        ),
    ] = None,
    set_aside: Annotated[
        list[str] | None,
        typer.Option(
            "--set-aside",
            metavar="PATH",
            help="Continue although the narinfo of this store path, hash or key cannot be read. "
            "The narinfo is kept, but not the paths that it needs. Repeatable.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        int,
        typer.Option(
            "--grace",
            min=0,
            max=MOST_DAYS,
            metavar="DAYS",
            help="Keep a NAR for DAYS days after the last narinfo that names it.",
        ),
    ] = GRACE_DAYS,
    undo: Annotated[
        str | None,
        typer.Option(
            "--undo",
            metavar="RUN",
            help="Restore what an earlier run deleted, by the id that it printed. The bucket has "
            "to keep versions.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")
    ] = False,
    yes: Yes = False,
    jobs: Jobs = JOBS,
    same_cache: SameCache = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Delete old store paths that no kept path needs.

    Deletes narinfos and realisations first, and their NARs after a grace period. Keeps logs, debug
    information and the cache's metadata.

    Deletes nothing while a narinfo cannot be read. Exits with 1 in that case, and if a push at the
    same time lost a path.
    """
    if undo is not None and older_than is not None:
        raise UsageError("--undo and --older-than exclude each other", "give one of them")
    if undo is not None:
        changed_grace = None if grace == GRACE_DAYS else grace
        of_collecting = {
            "--roots-from": roots_from,
            "--set-aside": set_aside or None,
            "--grace": changed_grace,
        }
        refuse_with("--undo", of_collecting)
    if undo is None and older_than is None:
        raise UsageError(
            "--older-than is missing",
            "add --older-than DAYS to collect, or --undo RUN to restore what a run deleted",
        )
    if undo is not None or older_than is None:
        from nix_cache.cli.gc import undo as restoring

        wish = restoring.UndoRequest(
            cache=one_cache(cache, same_cache),
            project=project,
            owner=owner,
            run=undo or "",
            dry_run=dry_run,
            agreed=yes,
            jobs=jobs,
        )
        if not restoring.run(wish, as_json=as_json):
            raise typer.Exit(ExitCode.FAILED)
        return
    from nix_cache.cli.gc import session

    request = session.CollectionRequest(
        cache=one_cache(cache, same_cache),
        project=project,
        owner=owner,
        older_than_days=older_than,
        grace_days=grace,
        roots_from=roots_from,
        dry_run=dry_run,
        agreed=yes,
        jobs=jobs,
        set_aside=tuple(set_aside or ()),
    )
    if not session.run(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
