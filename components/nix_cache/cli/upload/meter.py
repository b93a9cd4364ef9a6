"""How far an upload is: paths, bytes, rate and remaining time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import size

_EVENT_SECONDS = 1.0
_SETTLED_SECONDS = 2.0
"""Before, a rate says little."""


@dataclass(frozen=True)
class Total:
    """What there is to upload.

    Attributes:
        paths: how many store paths.
        nar_bytes: the size of their NARs.
    """

    paths: int
    nar_bytes: int


class Meter:
    """Counts what was uploaded, and reports it.

    Args:
        total: what there is to upload.
        progress: where it is reported for people.
        has_events: whether it is reported for programs instead: one JSON object a line, on standard
            error.
        done: what was done, for people.
        clock: the time in seconds.
    """

    def __init__(
        self,
        total: Total,
        progress: Progress,
        *,
        has_events: bool,
        done: str = "pushed",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._progress = progress
        self._has_events = has_events
        self._done = done
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._told_at = float("-inf")
        self._paths = 0
        self._read = 0
        self._sent = 0
        self._packed_nar_bytes = 0
        self._packed_file_bytes = 0

    @property
    def sent_bytes(self) -> int:
        """How many bytes of compressed NARs were sent, those of failed tries not counted."""
        return self._sent

    def read(self, count: int) -> None:
        """Note that some bytes of a NAR were compressed."""
        with self._lock:
            self._read += count
        self._report()

    def packed(self, nar_bytes: int, file_bytes: int) -> None:
        """Note how large the file of a NAR is that is to be sent."""
        with self._lock:
            self._packed_nar_bytes += nar_bytes
            self._packed_file_bytes += file_bytes

    def sent(self, count: int) -> None:
        """Note that some bytes were sent; that they have to be sent again, if it is negative."""
        with self._lock:
            self._sent += count
        self._report()

    def finished(self) -> None:
        """Note that a path is in the cache."""
        with self._lock:
            self._paths += 1
        self._report(always=self._paths == self._total.paths)

    def state(self) -> dict[str, Any]:
        """How far it is, for programs."""
        seconds = self._clock() - self._started
        rate = self._sent / seconds if seconds > 0 else 0.0
        return {
            "event": "progress",
            "paths": self._paths,
            "allPaths": self._total.paths,
            "narBytes": self._read,
            "allNarBytes": self._total.nar_bytes,
            "sentBytes": self._sent,
            "bytesPerSecond": round(rate),
            "secondsLeft": self._seconds_left(seconds),
        }

    def _seconds_left(self, seconds: float) -> int | None:
        """How long it takes if it goes on so; None if that is not known."""
        if seconds < _SETTLED_SECONDS or not self._total.paths:
            return None
        if self._paths == self._total.paths:
            return 0
        # Small paths take requests, large ones bytes: what is further behind decides.
        shares = [self._paths / self._total.paths]
        if expected := self._expected_bytes():
            shares.append(self._sent / expected)
        share = min(shares) or max(shares)
        return round(seconds * (1 - share) / share) if 0 < share < 1 else None

    def _expected_bytes(self) -> float:
        """How many bytes are to be sent, if what is not packed yet compresses as the rest did."""
        ratio = self._packed_file_bytes / self._packed_nar_bytes if self._packed_nar_bytes else 1.0
        unpacked = max(0, self._total.nar_bytes - self._packed_nar_bytes)
        return self._packed_file_bytes + unpacked * ratio

    def _report(self, *, always: bool = False) -> None:
        with self._lock:
            now = self._clock()
            if now - self._told_at < _EVENT_SECONDS and not always:
                return
            self._told_at = now
            state = self.state()
        if self._has_events:
            console.event(state)
        else:
            self._progress.tell(_in_words(self._done, state))


def _in_words(done: str, state: dict[str, Any]) -> str:
    left = state["secondsLeft"]
    rest = "" if left is None else f", {_duration(left)} left"
    return (
        f"{done} {state['paths']} of {state['allPaths']} paths{rest}, {size(state['sentBytes'])} "
        f"sent at {size(state['bytesPerSecond'])}/s, {size(state['narBytes'])} of "
        f"{size(state['allNarBytes'])} read"
    )


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
