"""Pushes what becomes valid in the local store, for as long as it runs."""

import time
from collections.abc import Callable, Sequence

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.s3.errors import BusyError, RefusedError, UnansweredError
from nix_cache.cli.upload import new_paths, report, session
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer
from nix_cache.cli.watch.events import StoreEvents, watching

Push = Callable[[Writer, Sequence[str], UploadOptions], Result]

FIRST_WAIT_SECONDS = 10.0
"""After a storage that did not take a push; doubled with each further one in a row."""

LONGEST_WAIT_SECONDS = 600.0


def watch(writer: Writer, options: UploadOptions) -> None:
    """Push what becomes valid from now on.

    Args:
        writer: as whom.
        options: how to upload.

    Raises:
        ClientError: the store cannot be watched.
    """
    store_dir = writer.manifest.store_dir
    with watching(store_dir) as events:
        console.note(
            f"Pushing what becomes valid in {store_dir} to {writer.record.name}. Ctrl-C ends this."
        )
        watcher = Watcher(writer, options, events)
        while True:
            watcher.step()


class Watcher:
    """What waits to be pushed.

    Args:
        writer: as whom.
        options: how to upload.
        events: what changes in the store's folder.
        push: pushes some paths.
        clock: the time in seconds.
    """

    def __init__(
        self,
        writer: Writer,
        options: UploadOptions,
        events: StoreEvents,
        push: Push = session.push,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._options = options
        self._events = events
        self._push = push
        self._clock = clock
        self._store_dir = writer.manifest.store_dir
        self._valid_before = new_paths.valid(self._store_dir)
        self._waiting: set[str] = set()
        self._pushed: set[str] = set()
        self._has_lost_events = False
        self._wait_seconds = 0.0
        self._next_try = clock()

    def step(self) -> None:
        """Wait for changes or for the time of the next try, and push what is valid."""
        left_seconds = max(0.0, self._next_try - self._clock())
        is_due = bool(self._waiting) or self._has_lost_events
        batch = self._events.batch(left_seconds if is_due else None)
        names = batch.names
        self._has_lost_events |= not batch.is_complete
        gone = {name for name in names if not new_paths.exists(self._store_dir, name)}
        self._pushed -= gone
        self._valid_before -= gone
        self._waiting |= names - self._pushed
        if self._clock() < self._next_try:
            return
        try:
            if self._has_lost_events:
                console.note("Too much changed to see all of it: asking Nix for all valid paths.")
                valid = new_paths.valid(self._store_dir)
                self._waiting |= valid - self._valid_before - self._pushed
                self._has_lost_events = False
            # A path that is not valid yet changes again when it becomes so.
            upstreams = new_paths.upstreams(self._writer, self._options)
            self._try(new_paths.pushable(sorted(self._waiting), self._store_dir, upstreams))
        except ClientError as failure:
            self._postpone(failure)
        else:
            self._waiting.clear()
            self._wait_seconds = 0.0

    def _postpone(self, failure: ClientError) -> None:
        self._wait_seconds = min(
            LONGEST_WAIT_SECONDS, max(FIRST_WAIT_SECONDS, 2 * self._wait_seconds)
        )
        self._next_try = self._clock() + self._wait_seconds
        console.error(failure)
        console.note(
            f"Waiting: {counted(len(self._waiting), 'path')}. The next try is in "
            f"{self._wait_seconds:.0f} s."
        )

    def _try(self, paths: Sequence[str]) -> None:
        """Push some paths, each alone if one of them cannot be pushed.

        Raises:
            ClientError: the storage fails for all of them.
        """
        if not paths:
            return
        try:
            report.print_result(self._push(self._writer, paths, self._options))
        except (BusyError, RefusedError, UnansweredError):
            raise
        except ClientError as failure:
            if len(paths) > 1:
                for path in paths:
                    self._try([path])
                return
            console.error(f"{paths[0]} is not pushed: {failure}")
        done = {path.rpartition("/")[2] for path in paths}
        self._pushed |= done
        self._waiting -= done
