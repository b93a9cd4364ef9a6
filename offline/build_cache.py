"""The folder that keeps built tools: one builder at a time, no leftovers, a limit on its size."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tools.errors import BuildError

# Four tools weigh 306 MB. Under this limit the last three replaced builds stay as well,
# for clones that are still at an older revision.
LIMIT_BYTES = 700 * 10**6
LOCK_SECONDS = 0.5
REMOVE_TRIES = 6


@contextmanager
def problems_explained(cache: Path) -> Iterator[None]:
    """Turn what the system says about an unusable cache folder into a BuildError."""
    elsewhere = "point XDG_CACHE_HOME at another folder"
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of our output is gone; the folder is fine
    except PermissionError as error:
        raise BuildError(
            f"no write access to the cache folder {cache}: {error}",
            f"make it yours, or {elsewhere}",
        ) from error
    except OSError as error:
        raise BuildError(
            f"the cache folder {cache} cannot be used: {error}",
            f"free or repair its disk, or {elsewhere}",
        ) from error


@contextmanager
def locked(
    cache: Path, waiting: Callable[[str, float], None] = lambda holder, seconds: None
) -> Iterator[None]:
    """Hold the one build lock of `cache`; the system frees it when its holder dies.

    While another holds it, `waiting` is called with that one's process id and the seconds so far.
    """
    (cache / "tools").mkdir(parents=True, exist_ok=True)
    with _lock_file(cache) as file:
        start = time.monotonic()
        while not _try_lock(file):
            file.seek(0)
            waiting(file.read().strip(), time.monotonic() - start)
            time.sleep(LOCK_SECONDS)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock_file(cache: Path) -> TextIO:
    return (cache / "tools" / ".lock").open("a+")


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def build_folder(cache: Path) -> Iterator[Path]:
    """Provide a folder for one run of builds, removed at its end in any case; under the lock."""
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    try:
        (folder / "tmp").mkdir()
        yield folder
    finally:
        _remove(folder)


def remove_leftovers(cache: Path) -> None:
    """Remove the build folders of processes that were killed; only under the lock."""
    for folder in cache.glob("build-*"):
        _remove(folder)


def remove_leftovers_unless_busy(cache: Path) -> None:
    """Remove leftovers, or nothing during a build."""
    if any(cache.glob("build-*")):
        with suppress(OSError), _lock_file(cache) as file:
            if _try_lock(file):
                remove_leftovers(cache)


def _remove(folder: Path) -> None:
    # A compiler that was killed a moment ago may still write into it.
    for _ in range(REMOVE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(LOCK_SECONDS)


def check_space(cache: Path, needed_bytes: int, what: str) -> None:
    """Raise BuildError unless the disk of `cache` has `needed_bytes` free to build `what`."""
    free = shutil.disk_usage(cache).free
    if free < needed_bytes:
        raise BuildError(
            f"building {what} needs {needed_bytes / 1e9:.1f} GB for a while, and the disk of "
            f"{cache} has {free / 1e9:.1f} GB free",
            "free some space, or point XDG_CACHE_HOME at a larger disk",
        )


def keep(result: Path, path: Path) -> None:
    """Move a finished build to `path` in the cache: whole, on the disk, and at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with result.open("rb") as file:
        os.fsync(file.fileno())
    result.replace(path)


def used(path: Path) -> None:
    """Note that a built tool is in use now, for `prune`."""
    with suppress(OSError):  # a cache that is only readable still serves
        os.utime(path.parent)


def prune(cache: Path, keeping: Sequence[Path]) -> None:
    """Remove the builds not used for longest until the cache is under its limit.

    The builds at `keeping` stay. Ending a program that still runs is no concern: the system
    keeps a removed program until it ends.
    """
    folders = [folder for folder in (cache / "tools").iterdir() if folder.is_dir()]
    folders.sort(key=lambda folder: folder.stat().st_mtime)
    sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}
    stay = {path.parent for path in keeping}
    for folder in folders:
        if sum(sizes.values()) <= LIMIT_BYTES:
            return
        if folder not in stay:
            shutil.rmtree(folder, ignore_errors=True)
            del sizes[folder]
