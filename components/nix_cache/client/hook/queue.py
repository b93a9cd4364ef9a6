"""What was built and waits to be pushed: a folder of links, each named after its store path.

A link is made in one step, making it twice is harmless, and it survives a restart. Where the folder
is one of Nix's garbage collector roots, what waits is not collected.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from nix_cache.client import files
from nix_cache.client.errors import ClientError
from nix_cache.narinfo import BASE_NAME
from nix_cache.redaction import redacted


class Queue:
    """The queue of one cache.

    Args:
        folder: where the queue, the log and the locks are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.links = folder / "queue"
        self.log = folder / "log"
        self._error = folder / "error"
        self._running = folder / "running"
        self._waiting = folder / "waiting"

    def paths(self) -> list[str]:
        """The store paths that wait, the oldest first.

        Raises:
            ClientError: the queue cannot be read.
        """
        try:
            entries = [entry for entry in os.scandir(self.links) if entry.is_symlink()]
        except FileNotFoundError:
            return []
        except OSError as failure:
            raise ClientError(
                f"the queue {self.links} cannot be read: {failure.strerror}", "mend that folder"
            ) from None
        found = []
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                added = entry.stat(follow_symlinks=False).st_mtime
                found.append((added, str(Path(entry.path).readlink())))
        return [path for _, path in sorted(found) if _is_store_path(path)]

    def remove(self, path: str) -> None:
        """Take out a path that needs no push any more."""
        (self.links / path.rpartition("/")[2]).unlink(missing_ok=True)

    @property
    def last_error(self) -> str | None:
        """What went wrong in the last run, with the time; None if it went well."""
        try:
            return self._error.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def note_error(self, text: str | None) -> None:
        """Keep what went wrong, or that nothing did. A full disk is no reason to stop."""
        with contextlib.suppress(OSError):
            if text is None:
                self._error.unlink(missing_ok=True)
            else:
                now = time.strftime("%Y-%m-%d %H:%M:%S")
                with _opened(self._error, files.PUBLIC_FILE) as file:
                    file.truncate(0)
                    file.write(f"{now} {redacted(text)}\n")

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Wait until nobody else pushes from this queue.

        Yields:
            whether it is our turn. It is not if somebody else waits for theirs already: they will
            see all that is in the queue by now.

        Raises:
            ClientError: the folder cannot be written to.
        """
        try:
            files.make_folder(self.folder, files.PUBLIC_FOLDER)
            files.make_folder(self.links, files.PUBLIC_FOLDER)
            running = _opened(self._running, files.PRIVATE_FILE)
            waiting = _opened(self._waiting, files.PRIVATE_FILE)
        except OSError as failure:
            raise ClientError(
                f"{failure.filename} cannot be written: {failure.strerror}", "mend that folder"
            ) from None
        with running, waiting:
            try:
                fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            with _noted(waiting.fileno()):
                fcntl.flock(running, fcntl.LOCK_EX)
            fcntl.flock(waiting, fcntl.LOCK_UN)
            yield True

    def clear(self) -> None:
        """Remove everything, unless something waits."""
        if self.paths():
            return
        for file in (self._error, self._running, self._waiting, self.log, Path(f"{self.log}.1")):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        target = Path(os.path.realpath(self.links))
        with contextlib.suppress(OSError):
            target.rmdir()
            self.links.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _opened(path: Path, mode: int) -> TextIO:
    """Open a file of the queue for appending. Its mode does not depend on the umask.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    descriptor = os.open(path, flags, mode)
    os.fchmod(descriptor, mode)
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


@contextlib.contextmanager
def _noted(waiting: int) -> Iterator[None]:
    """Tell in the file who waits, so that a hook need not start one more of us."""
    os.ftruncate(waiting, 0)
    os.write(waiting, f"{os.getpid()}\n".encode())
    try:
        yield
    finally:
        os.ftruncate(waiting, 0)


def _is_store_path(path: str) -> bool:
    return BASE_NAME.fullmatch(path.rpartition("/")[2]) is not None
