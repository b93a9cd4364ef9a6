"""How many requests there are at a time, and how fast bodies are sent."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_COOLDOWN_SECONDS = 1.0
"""Requests that were under way at the same time are refused at the same time: that is one sign."""


class AdaptiveLimit:
    """Limits requests at a time: half as many when the storage is busy, more again step by step.

    Args:
        most: the most requests at a time.
        clock: the time in seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._allowed = float(most)
        self._under_way = 0
        self._reduced_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def allowed(self) -> int:
        """How many requests there may be at a time now."""
        return max(1, int(self._allowed))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until there may be one more request, and count it for as long as it goes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self.allowed)
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def has_room(self, others: int) -> bool:
        """Return whether there may be one more request beside those that are counted and others.

        These others do not make a ``slot`` wait: who takes it may have to act before they end.

        Args:
            others: how many requests there are that are not counted.
        """
        return self._under_way + others < self.allowed

    def succeeded(self) -> None:
        """Note an answer that was not one of a busy storage."""
        if self._allowed >= self._most:
            return
        with self._changed:
            before = self.allowed
            self._allowed = min(self._most, self._allowed + 1 / self._allowed)
            if self.allowed > before:
                self._changed.notify()

    def throttled(self) -> None:
        """Note that the storage asked for fewer requests."""
        with self._changed:
            now = self._clock()
            if now - self._reduced_at >= _COOLDOWN_SECONDS:
                self._reduced_at = now
                self._allowed = max(1.0, self._allowed / 2)


class RateLimit:
    """Limits how many bytes are sent per second, over all threads.

    Args:
        bytes_per_second: the limit.
        clock: the time in seconds.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        bytes_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    @property
    def piece_bytes(self) -> int:
        """How much to send at a time, so that waits stay short: what takes a quarter second."""
        return max(1024, int(self._rate / 4))

    def take(self, count: int) -> None:
        """Wait until so many bytes may be sent."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at)
            self._free_at = start + count / self._rate
        if start > now:
            self._sleep(start - now)
