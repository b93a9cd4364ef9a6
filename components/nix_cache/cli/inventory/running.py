"""How a collection shows pushes that it goes on, and keeps a second collection from beginning."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3 import conditional
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.clock import http_date
from nix_cache.cli.s3.errors import AnsweredError, BusyError
from nix_cache.formats.cache_object import JSON_TYPE
from nix_cache.formats.collection_run import (
    RUN_DELETES_WITHIN,
    RUN_KEY,
    RUN_RENEWED_AFTER,
    CollectionRun,
)

_MISSING = 404
_ROUNDS = 5
"""How often a collection tries to begin while others begin and end."""


@dataclass(frozen=True)
class SeenRun:
    """The run object as it was read.

    Attributes:
        run: what it states.
        etag: of the object; empty if the storage states none.
        written: when it was written last, by the storage's clock; None if that is not stated.
        now: the time of the answer, by the same clock; likewise.
    """

    run: CollectionRun
    etag: str = ""
    written: datetime | None = None
    now: datetime | None = None

    @property
    def age(self) -> timedelta | None:
        """How long ago it was written; None if that is not known."""
        return None if self.written is None or self.now is None else self.now - self.written

    def require_over(self) -> None:
        """Make sure that no other collection goes on.

        Raises:
            ClientError: one was shown to go on a short time ago.
        """
        age = self.age
        if not self.run.running or age is None or age > RUN_DELETES_WITHIN:
            return
        assert self.written is not None
        free = self.written + RUN_DELETES_WITHIN
        began = self.run.started or self.written
        raise BusyError(
            f"another collection of this cache goes on since {began:%Y-%m-%d %H:%M} UTC, and wrote "
            f"{RUN_KEY} last at {self.written:%H:%M} UTC; nothing was removed",
            f"wait for its end. If it was killed, run this again after {free:%Y-%m-%d %H:%M} UTC",
        )


class RunStore(Protocol):
    """Where the run object is."""

    def read(self) -> SeenRun | None:
        """Read it; None if there is none."""

    def write(self, run: CollectionRun, seen: SeenRun | None) -> bool:
        """Write it, if it still is what was seen; returns whether it did."""


class RunObject:
    """The run object in a bucket.

    On a service without conditional writes, it is written whatever it has become.

    Args:
        client: of the bucket.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self) -> SeenRun | None:
        """Read it; None if there is none."""
        try:
            answer = self._client.get(RUN_KEY)
        except AnsweredError as refusal:
            if refusal.status == _MISSING:
                return None
            raise
        written, now = (http_date(answer.headers.get(name)) for name in ("Last-Modified", "Date"))
        etag = answer.headers.get("ETag", "").strip().removeprefix("W/")
        return SeenRun(CollectionRun.parse(answer.body), etag, written, now)

    def write(self, run: CollectionRun, seen: SeenRun | None) -> bool:
        """Write it, if it still is what was seen; returns whether it did."""
        condition = {"If-None-Match": "*"} if seen is None else {"If-Match": seen.etag}
        if seen is None or seen.etag:
            status = conditional.put(self._client, RUN_KEY, run.content, JSON_TYPE, condition)
            if status is not None:
                return status not in conditional.LOST
        self._client.put(RUN_KEY, run.content, JSON_TYPE)
        return True


class RunNote:
    """The run object of one collection.

    Args:
        store: where it is.
        clock: seconds that go on while the machine sleeps.
    """

    def __init__(self, store: RunStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._run: CollectionRun | None = None
        self._written = 0.0
        self.name = ""
        """The id of the collection that was begun last; empty before."""

    def require_alone(self) -> None:
        """Make sure that no other collection goes on.

        Raises:
            ClientError: one does.
        """
        if (seen := self._store.read()) is not None:
            seen.require_over()

    def begin(self) -> bool:
        """Show that a collection goes on.

        Returns:
            whether there may be narinfos without their NAR, because of an earlier collection.

        Raises:
            ClientError: another collection goes on.
        """
        run: CollectionRun | None = None
        written = 0.0
        for _ in range(_ROUNDS):
            seen = self._store.read()
            # A write whose answer was lost is sent again, and then refused because of itself.
            if run is None or seen is None or seen.run != run:
                if seen is not None:
                    seen.require_over()
                unchecked = seen is not None and seen.run.leaves_doubt
                run, written = CollectionRun.new(unchecked=unchecked), self._clock()
                if not self._store.write(run, seen):
                    continue
            self._run, self._written, self.name = run, written, run.run
            return run.unchecked
        raise BusyError(
            f"other collections of this cache write {RUN_KEY} all the time; nothing was removed",
            "let one collection run at a time",
        )

    def renew(self) -> None:
        """Show that it still goes on, if that was shown some minutes ago.

        Raises:
            ClientError: it was shown too long ago, as before the machine slept, or another
                collection has begun. Pushes may not have waited, and relied on what was planned to
                go.
        """
        if self._run is not None and self._age() > RUN_RENEWED_AFTER.total_seconds():
            written = self._clock()
            self._write(self._run)
            self.require_fresh()
            self._written = written

    def require_own(self) -> None:
        """Make sure that pushes see this collection and no other, before something is deleted.

        Raises:
            ClientError: another collection has begun, so pushes wait for its end alone; or as for
                ``require_fresh``.
        """
        if self._run is not None:
            seen = self._store.read()
            if seen is None or seen.run.run != self._run.run:
                raise _overtaken()
            self.require_fresh()

    def require_fresh(self) -> None:
        """Make sure that pushes did not take it for a killed one.

        Raises:
            ClientError: it was not written for too long. Pushes may not have waited.
        """
        if self._run is not None and self._age() > RUN_DELETES_WITHIN.total_seconds():
            raise ClientError(
                f"{RUN_KEY} was not written for more than "
                f"{RUN_DELETES_WITHIN.total_seconds() / 60:.0f} minutes, so pushes may not have "
                "waited for this collection; nothing more was removed",
                "run it again, on a machine that does not sleep",
            )

    def end(self, *, unchecked: bool) -> None:
        """Show that it has ended.

        Args:
            unchecked: whether there may be narinfos without their NAR.

        Raises:
            ClientError: another collection has begun meanwhile.
        """
        if self._run is not None:
            run, self._run = self._run, None
            self._write(run, run.ended_with(unchecked=unchecked))

    def _write(self, run: CollectionRun, new: CollectionRun | None = None) -> None:
        """Write the object again, if it is the one of this run."""
        for _ in range(_ROUNDS):
            seen = self._store.read()
            if seen is None or seen.run.run != run.run:
                break
            is_written = seen.run == new  # as in ``begin``
            if is_written or self._store.write(new or run, seen):
                return
        raise _overtaken()

    def _age(self) -> float:
        # A clock that was set back says nothing of how long it was.
        age = self._clock() - self._written
        return age if age >= 0 else float("inf")


def _overtaken() -> ClientError:
    return ClientError(
        f"another collection of this cache has written {RUN_KEY}; nothing more was removed",
        "let one collection run at a time, on a machine that does not sleep, and run this again",
    )


class ExplainedRun:
    """The run object, with errors that name the bucket's owner.

    Args:
        run: the object.
        explained: given what is done, turns errors of the storage into those of the client.
    """

    def __init__(
        self, run: RunObject, explained: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        self._run = run
        self._explained = explained

    def read(self) -> SeenRun | None:
        """Return the last run; None if there was none."""
        with self._explained(f"read {RUN_KEY}"):
            return self._run.read()

    def write(self, run: CollectionRun, seen: SeenRun | None) -> bool:
        """Write a run over the one that was seen; returns whether that one was still there."""
        with self._explained(f"write {RUN_KEY}"):
            return self._run.write(run, seen)
