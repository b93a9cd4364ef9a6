"""The command `nix-cache watch-store`: its options. What it does is imported when it runs."""

from typing import Annotated

import typer

from nix_cache.cli.options import JOBS, WriterCache


def watch_store(
    cache: WriterCache = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, max=256, metavar="N", help="The most parallel requests."
        ),
    ] = JOBS,
) -> None:
    """Push new store paths until Ctrl-C or SIGTERM.

    Pushes each path when it becomes valid. Skips paths that were valid before, paths with a
    signature of an upstream cache, and sources that an evaluation fetched.

    If the storage does not answer, paths wait in memory and are tried again.
    """
    from nix_cache.cli.upload.options import UploadOptions
    from nix_cache.cli.upload.writer import find_writer
    from nix_cache.cli.watch.session import watch

    watch(find_writer(cache), UploadOptions.of(jobs=jobs))
