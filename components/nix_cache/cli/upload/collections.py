"""Collections beside a push: whether one goes on, and waiting for its end.

``docs/reference/cache-protocol.md`` says why.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.clock import http_date
from nix_cache.cli.s3.errors import BusyError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.formats.collection_run import RUN_ABANDONED_AFTER, CollectionRun

WAIT_SECONDS = 600.0
_POLL_SECONDS = 3.0


@dataclass(frozen=True)
class Seen:
    """What a push saw of collections.

    Attributes:
        run: the latest one; None if there was none yet.
        goes_on: whether it may still delete something.
    """

    run: CollectionRun | None = None
    goes_on: bool = False

    @property
    def leaves_doubt(self) -> bool:
        """Whether the cache may have narinfos without their NAR, because a collection was killed.

        Also while a collection goes on, and after one that found such narinfos.
        """
        return self.run is not None and self.run.leaves_doubt

    def may_have_deleted(self, later: "Seen") -> bool:
        """Return whether a collection may have deleted something from here to a later look."""
        return self.goes_on or later.run != self.run

    @classmethod
    def of(cls, answer: Answer | None) -> "Seen":
        """Read the run object.

        Args:
            answer: to reading it; None if it is not there.
        """
        if answer is None:
            return cls()
        run = CollectionRun.parse(answer.body)
        now, written = (http_date(answer.headers.get(name)) for name in ("Date", "Last-Modified"))
        is_abandoned = (
            now is not None and written is not None and now - written > RUN_ABANDONED_AFTER
        )
        return cls(run, run.running and not is_abandoned)


def when_ended(
    look: Callable[[], Seen],
    report: Callable[[str], None],
    *,
    wait_seconds: float = WAIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Seen:
    """Wait until no collection goes on.

    Args:
        look: looks whether one goes on.
        report: called once, if there is something to wait for.
        wait_seconds: the longest wait.
        sleep: waits some seconds.

    Returns:
        what was seen last.

    Raises:
        BusyError: one still goes on.
    """
    now, waited = look(), 0.0
    while now.goes_on:
        if waited >= wait_seconds:
            raise _still_going_on()
        if not waited:
            report(_going_on(now, wait_seconds))
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
        now = look()
    return now


def _going_on(seen: Seen, wait_seconds: float) -> str:
    started = seen.run.started if seen.run else None
    since = f" since {started:%Y-%m-%d %H:%M} UTC" if started else ""
    return (
        f"A collection of the cache goes on{since}, or was killed; waiting at most "
        f"{wait_seconds / 60:.0f} minutes for its end."
    )


def _still_going_on() -> ClientError:
    return BusyError(
        f"a collection of the cache goes on for more than {WAIT_SECONDS / 60:.0f} minutes, and may "
        "delete what this push relies on",
        "push again when it has ended: what is there is not uploaded again",
    )
