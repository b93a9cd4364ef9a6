"""The command `nix-cache watch-store`: its options. What it does is imported when it runs."""

from nix_cache.cli.options import JOBS, Jobs, LimitRate, PartSize, WriterCache


def watch_store(
    cache: WriterCache = None,
    jobs: Jobs = JOBS,
    part_size: PartSize = None,
    limit_rate: LimitRate = None,
) -> None:
    """Push new store paths until Ctrl-C or SIGTERM.

    Pushes each path when it becomes valid. Skips paths that were valid before, paths with a
    signature of an upstream cache, and sources that an evaluation fetched.

    If the storage does not answer, paths wait in memory and are tried again.
    """
    from nix_cache.cli.upload.options import UploadOptions
    from nix_cache.cli.upload.writer import find_writer
    from nix_cache.cli.watch.session import watch

    options = UploadOptions.of(jobs=jobs, part_size=part_size, limit_rate=limit_rate)
    watch(find_writer(cache), options)
