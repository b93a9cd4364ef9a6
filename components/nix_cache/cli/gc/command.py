"""The command `nix-cache gc`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode
from nix_cache.cli.options import JOBS

GRACE_DAYS = 30
"""``lifecycle.NARINFO_TTL_DAYS``, without the imports that would slow every command down."""

_MOST_DAYS = 36_500


def gc(
    owner: Annotated[
        str,
        typer.Option(
            "--owner",
            metavar="PROFILE",
            help="A credentials profile of one who may list, read and delete in the bucket.",
            show_default=False,
        ),
    ],
    older_than: Annotated[
        int,
        typer.Option(
            "--older-than",
            min=1,
            max=_MOST_DAYS,
            metavar="DAYS",
            help="What was pushed within these days stays, with all that it needs.",
            show_default=False,
        ),
    ],
    cache: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="The name of a cache in use here, a stack, a file or - with the structured "
            "output, or the cache's URL. By default the one cache in use.",
            show_default=False,
        ),
    ] = None,
    roots_from: Annotated[
        Path | None,
        typer.Option(
            "--roots-from",
            metavar="FILE",
            help="These store paths stay too, with all that they need. Separated by any white "
            "space or NUL; - for standard input.",
            show_default=False,
        ),
    ] = None,
    set_aside: Annotated[
        list[str] | None,
        typer.Option(
            "--set-aside",
            metavar="PATH",
            help="Go on although the narinfo of this store path, hash or key cannot be read. It "
            "stays; what it needs is not protected. Repeatable.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        int,
        typer.Option(
            "--grace",
            min=0,
            max=_MOST_DAYS,
            metavar="DAYS",
            help="How long a NAR outlives the last narinfo that names it.",
        ),
    ] = GRACE_DAYS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be removed, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree beforehand, for scripts.")] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=256, help="How many narinfos to read at once.")
    ] = JOBS,
    project: Annotated[
        Path | None,
        typer.Option(help="The folder of the stack's program.", show_default="the current one"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Remove what is old and what nothing that stays needs. Narinfos go first, NARs later.

    Left alone: logs, debug information, realisations, and what the cache says of itself. Nothing
    goes while a narinfo cannot be read. Exits 1 then, and if a push at the same time lost
    something.
    """
    from nix_cache.cli.gc import session

    request = session.Request(
        cache=cache,
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
