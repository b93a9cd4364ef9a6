"""The command `nix-cache exec`: its options. What it does is imported when it runs."""

from typing import Annotated

import typer

from nix_cache.cli.options import JOBS, Jobs, LimitRate, PartSize, WriterCache


def exec_command(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND",
            help="The command and its arguments. Put -- before it.",
            show_default=False,
        ),
    ],
    cache: WriterCache = None,
    jobs: Jobs = JOBS,
    part_size: PartSize = None,
    limit_rate: LimitRate = None,
) -> None:
    """Run a command and push the store paths that it built.

    Pushes each path that became valid while the command ran, even if the command failed. Skips
    paths with a signature of an upstream cache, and sources that an evaluation fetched.

    Exits with the command's exit code, even if the push fails.
    """
    from nix_cache.cli.exec.session import run
    from nix_cache.cli.upload.options import UploadOptions
    from nix_cache.cli.upload.writer import find_writer

    options = UploadOptions.of(jobs=jobs, part_size=part_size, limit_rate=limit_rate)
    raise typer.Exit(run(find_writer(cache), command, options))
