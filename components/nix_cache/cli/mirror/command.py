"""The command `nix-cache mirror`: its options. What it does is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode, UsageError
from nix_cache.cli.options import JOBS, AsJson, Jobs, LimitRate, PartSize, Project


def mirror(
    origin: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help="The cache to copy: its name on this machine, a stack, a file with the output of "
            "a stack, or the URL of any Nix cache.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="The cache that gets the paths, by its name on this machine, which is one of its "
            "writers.",
            show_default=False,
        ),
    ],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Store paths of FROM to copy with their closures. Default: all of FROM, with "
            "--from-owner.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--from-owner",
            metavar="PROFILE",
            help="A credentials profile that can list and read the objects of FROM. To copy named "
            "paths, reading is enough. Default: read by HTTP, without a credential.",
            show_default=False,
        ),
    ] = None,
    path_list: Annotated[
        str | None,
        typer.Option(
            "--paths",
            metavar="FILE",
            help="Also copy the store paths in this file, separated by white space; - for "
            "standard input.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--from-key",
            metavar="KEY",
            help="A public key of FROM, NAME:BASE64. Needed to sign paths of a URL. Repeatable.",
            show_default=False,
        ),
    ] = None,
    sign: Annotated[
        bool,
        typer.Option(
            "--sign",
            help="Also sign with the writer's key of TO what a public key of FROM or TO signed.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be copied, and change nothing.")
    ] = False,
    jobs: Jobs = JOBS,
    part_size: PartSize = None,
    limit_rate: LimitRate = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Copy a cache, or closures of it, into another cache.

    Checks signatures and contents, keeps signatures, and skips what TO has. Readers of TO never
    see a path before all that it needs. A run that was interrupted can be repeated.

    Exits with 1 if something was not copied.
    """
    from nix_cache.cli.mirror import session
    from nix_cache.cli.nix.store_paths import hashes_in, named_hash
    from nix_cache.cli.upload.options import UploadOptions

    hashes = [named_hash(path, "PATH") for path in paths or ()]
    if path_list is not None:
        hashes += hashes_in(Path(path_list))
    if not hashes and (paths or path_list is not None):
        raise UsageError(f"{path_list} names no paths", "name some, or leave out --paths")
    request = session.MirrorRequest(
        origin=origin,
        target=target,
        hashes=tuple(dict.fromkeys(hashes)),
        owner=owner,
        keys=tuple(keys or ()),
        project=project,
        signs=sign,
        dry_run=dry_run,
        options=UploadOptions.of(
            jobs=jobs,
            part_size=part_size,
            limit_rate=limit_rate,
            has_events=as_json,
            leaves_to_upstreams=False,
        ),
    )
    if not session.run(request, as_json=as_json):
        raise typer.Exit(ExitCode.FAILED)
