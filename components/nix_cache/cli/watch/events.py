"""Names in the store's folder at which something changed, collected until it is quiet."""

import contextlib
import os
import queue
import time
from collections.abc import Callable, Iterator

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from nix_cache.cli.upload.new_paths import is_path_name, unreadable

QUIET_SECONDS = 1.0
"""Without an event for so long, a batch is complete."""

BATCH_SECONDS = 10.0
"""A batch is complete after so long in any case."""

_KINDS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
_LOCK_SUFFIX = ".lock"
"""Nix holds a lock file beside a path while it makes it, and removes it when the path is valid."""


class StoreEvents(FileSystemEventHandler):
    """The names at which something changed."""

    def __init__(self) -> None:
        self._names: queue.SimpleQueue[str] = queue.SimpleQueue()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Take in what the library reports, in its own thread."""
        for path in (event.src_path, event.dest_path):
            name = os.path.basename(os.fsdecode(path)).removesuffix(_LOCK_SUFFIX)  # noqa: PTH119
            if is_path_name(name):
                self._names.put(name)

    def batch(
        self,
        wait_seconds: float | None,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> set[str]:
        """Wait for changes, and collect them until it is quiet.

        Args:
            wait_seconds: how long to wait for the first one; None for ever.
            quiet_seconds: without a change for so long, the batch is complete.
            clock: the time in seconds.
        """
        names: set[str] = set()
        with contextlib.suppress(queue.Empty):
            names.add(self._names.get(timeout=wait_seconds))
            end = clock() + BATCH_SECONDS
            while clock() < end:
                names.add(self._names.get(timeout=quiet_seconds))
        return names


@contextlib.contextmanager
def watching(store_dir: str) -> Iterator[StoreEvents]:
    """Watch the store's folder, without what is in its paths.

    Raises:
        ClientError: it cannot be watched.
    """
    events, observer = StoreEvents(), Observer()
    observer.daemon = True
    try:
        observer.schedule(events, store_dir, recursive=False, event_filter=_KINDS)
        observer.start()
    except OSError as failure:
        raise unreadable(store_dir, failure) from None
    try:
        yield events
    finally:
        observer.stop()
