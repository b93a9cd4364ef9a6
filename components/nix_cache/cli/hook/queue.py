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

from nix_cache.cli.errors import ClientError
from nix_cache.cli.hook.failures import Failures
from nix_cache.cli.machine import files
from nix_cache.cli.machine.located import locate, reading
from nix_cache.formats.narinfo import BASE_NAME
from nix_cache.redaction import redacted

LARGEST_LOG_BYTES = 1_000_000
"""A log that is larger is set aside after a run."""

_LONGEST_ERROR = 10_000


class Queue:
    """The queue of one cache.

    Args:
        folder: where the queue, the log and the locks are.
        store_dir: the store whose paths wait; any if None.
    """

    def __init__(self, folder: Path, store_dir: str | None = None) -> None:
        self.folder = folder
        self._store_dir = store_dir
        self.links = folder / "queue"
        self.log = folder / "log"
        self._error = folder / "error"
        self._failures = folder / "failures"
        self._running = folder / "running"
        self._waiting = folder / "waiting"
        self._worker = folder / "worker"

    def paths(self) -> list[str]:
        """Return the store paths that wait, the oldest first.

        Raises:
            ClientError: the queue cannot be read, or root would follow a link of another user.
        """
        return [path for _, path in sorted(self._entries()[0])]

    def faults(self) -> list[str]:
        """Return what is in the queue and is not a link of a hook, each with the reason.

        Raises:
            ClientError: the queue cannot be read.
        """
        return sorted(self._entries()[1])

    def failures(self) -> Failures:
        """Return what is known of paths that could not be pushed."""
        return Failures(self._failures)

    def _entries(self) -> tuple[list[tuple[float, str]], list[str]]:
        """Return the paths, each with the time when it was queued, and the faults."""
        found, faults = [], []
        try:
            with contextlib.ExitStack() as opened:
                locate(self.links, opened, is_folder=True)
            with os.scandir(self.links) as entries:
                for entry in entries:
                    try:
                        found.append(self._read(entry))
                    except FileNotFoundError:
                        continue  # another run has just removed it
                    except OSError as failure:
                        faults.append(self._fault(entry, f"cannot be read: {failure.strerror}"))
                    except ValueError as reason:
                        faults.append(self._fault(entry, str(reason)))
        except FileNotFoundError:
            return [], []
        except OSError as failure:
            raise ClientError(
                f"the queue {self.links} cannot be read: {failure.strerror}", "mend that folder"
            ) from None
        return found, faults

    def _read(self, entry: "os.DirEntry[str]") -> tuple[float, str]:
        if not entry.is_symlink():
            raise ValueError("is not a link to a store path")
        added = entry.stat(follow_symlinks=False).st_mtime
        path = str(Path(entry.path).readlink())
        folder, _, name = path.rpartition("/")
        if BASE_NAME.fullmatch(name) is None or folder != (self._store_dir or folder):
            raise ValueError(f"leads to {path}, which is not a path of the cache's store")
        if name != entry.name:
            raise ValueError(f"leads to {path}, which has another name")
        return added, path

    def _fault(self, entry: "os.DirEntry[str]", reason: str) -> str:
        return f"{entry.path} {reason}; remove it from the queue"

    def remove(self, path: str) -> None:
        """Take out a path that needs no push any more."""
        (self.links / path.rpartition("/")[2]).unlink(missing_ok=True)

    @property
    def last_error(self) -> str | None:
        """What went wrong in the last run, with the time; None if it went well.

        Raises:
            ClientError: root would follow a link of another user.
        """
        if (started := self._killed_at()) is not None:
            return f"{started} the last run began, and was killed before its end"
        with contextlib.suppress(OSError), reading(self._error) as file:
            return file.read(_LONGEST_ERROR).decode(errors="replace").strip() or None
        return None

    def _killed_at(self) -> str | None:
        """When the last run began, if it neither ended nor goes on."""
        with contextlib.suppress(OSError), reading(self._running) as running:
            fcntl.flock(running, fcntl.LOCK_SH | fcntl.LOCK_NB)  # else a run goes on
            started = running.read(len(_now())).decode(errors="replace")
            return started or None
        return None

    def note_error(self, text: str | None) -> None:
        """Keep what went wrong, or that nothing did. A full disk is no reason to stop."""
        with contextlib.suppress(OSError):
            if text is None:
                self._error.unlink(missing_ok=True)
            else:
                now = _now()
                with _opened(self._error, files.PUBLIC_FILE) as file:
                    file.truncate(0)
                    file.write(f"{now} {redacted(text)}\n")

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Wait until no other process pushes from this queue.

        Yields:
            whether it is our turn. It is not if another process waits for its turn already: it will
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
            fcntl.flock(running, fcntl.LOCK_EX)
            fcntl.flock(waiting, fcntl.LOCK_UN)
            with _noted(running.fileno(), _now()):
                self.announce()
                try:
                    yield True
                finally:
                    self.retire()
                    self._set_log_aside()

    def announce(self) -> None:
        """Let hooks know that this process pushes what they queue, so that they start no other.

        On a full disk they do, and the one that they start waits for its turn.
        """
        new = self._worker.with_name(f".{self._worker.name}.new")
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
            with _opened(new, files.PUBLIC_FILE) as file:
                file.write(f"{os.getpid()}\n")
            new.replace(self._worker)

    def retire(self) -> None:
        """Undo ``announce``. What is queued from now on is left to another process.

        So look at the queue once more after this.
        """
        with contextlib.suppress(OSError):
            self._worker.unlink(missing_ok=True)

    def _set_log_aside(self) -> None:
        """Keep one old log, so that the disk does not fill up."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LARGEST_LOG_BYTES:
                self.log.replace(f"{self.log}.1")

    def clear(self) -> None:
        """Remove everything, unless something is in the queue."""
        if self.paths() or self.faults():
            return
        own = (self._error, self._failures, self._running, self._waiting, self._worker)
        for file in (*own, self.log, Path(f"{self.log}.1")):
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
def _noted(descriptor: int, text: str) -> Iterator[None]:
    """Keep a line in a file while a run goes on.

    `hook --status` reads from it when a run began that did not live to remove it.
    """
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{text}\n".encode())
    try:
        yield
    finally:
        os.ftruncate(descriptor, 0)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
