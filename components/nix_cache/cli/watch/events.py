"""Names in the store's folder at which something changed, collected until it is quiet."""

import contextlib
import os
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

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
_QUEUE_LENGTH = Path("/proc/sys/fs/inotify/max_queued_events")
_USUAL_QUEUE_LENGTH = 16_384
_SMALLEST_SHARE = 4
"""Of the kernel's queue that a batch has, if events were lost: the library joins some of them, and
they may be in two batches."""

_LOCK_SUFFIX = ".lock"
"""Nix holds a lock file beside a path while it makes it, and removes it when the path is valid."""


@dataclass(frozen=True)
class Batch:
    """What changed.

    Attributes:
        names: in the store's folder, at which something changed.
        is_complete: whether no event can be missing. The kernel drops some when its queue is full.
    """

    names: frozenset[str] = frozenset()
    is_complete: bool = True


def most_events() -> int:
    """Return the number of events above which the kernel may have dropped some."""
    try:
        length = int(_QUEUE_LENGTH.read_text())
    except (OSError, ValueError):
        length = _USUAL_QUEUE_LENGTH
    return length // _SMALLEST_SHARE


class StoreEvents(FileSystemEventHandler):
    """The names at which something changed."""

    def __init__(self) -> None:
        self._names: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._most_events = most_events()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Take in what the library reports, in its own thread."""
        for path in (event.src_path, event.dest_path):
            if path:
                name = os.path.basename(os.fsdecode(path))  # noqa: PTH119
                self._names.put(name.removesuffix(_LOCK_SUFFIX))

    def batch(
        self,
        wait_seconds: float | None,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> Batch:
        """Wait for changes, and collect them until it is quiet.

        Args:
            wait_seconds: how long to wait for the first one; None for ever.
            quiet_seconds: without a change for so long, the batch is complete.
            clock: the time in seconds.
        """
        names: list[str] = []
        with contextlib.suppress(queue.Empty):
            names.append(self._names.get(timeout=wait_seconds))
            end = clock() + BATCH_SECONDS
            while clock() < end:
                names.append(self._names.get(timeout=quiet_seconds))
        return Batch(frozenset(filter(is_path_name, names)), len(names) <= self._most_events)


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
