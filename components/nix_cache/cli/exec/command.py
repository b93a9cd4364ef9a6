"""The command `nix-cache exec`: its options. What it does is imported when it runs."""

from typing import Annotated

import typer

from nix_cache.cli.options import JOBS, WriterCache


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
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, max=256, metavar="N", help="The most parallel requests."
        ),
    ] = JOBS,
) -> None:
    """Run a command and push the store paths that it built.

    Pushes each path that became valid while the command ran, even if the command failed. Skips
    paths with a signature of an upstream cache, and sources that an evaluation fetched.

    Exits with the command's exit code, even if the push fails.
    """
    from nix_cache.cli.exec.session import run
    from nix_cache.cli.upload.options import UploadOptions
    from nix_cache.cli.upload.writer import find_writer

    raise typer.Exit(run(find_writer(cache), command, UploadOptions.of(jobs=jobs)))
