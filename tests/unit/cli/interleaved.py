"""Clients that use one storage at the same time, in an order that a test chooses.

A client that waits goes on when all others have ended or wait, too.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.reply import Reply
from tests.unit.cli.s3_double import DoubleTransport, S3Double

_TIMEOUT_SECONDS = 20.0


class Interleaved:
    """Runs clients, one request at a time.

    Args:
        schedule: numbers that choose whose request is next, over and over.
    """

    def __init__(self, schedule: Sequence[int]) -> None:
        self._schedule = list(schedule) or [0]
        self._changed = threading.Condition()
        self._ready: set[int] = set()
        self._sleeping: set[int] = set()
        self._running: int | None = None
        self._failures: list[BaseException] = []
        self._local = threading.local()

    def run(self, clients: Sequence[Callable[[], object]]) -> None:
        """Run clients to their ends; raises what one of them raised first."""
        threads = [
            threading.Thread(target=self._client, args=(number, work), daemon=True)
            for number, work in enumerate(clients)
        ]
        self._left = set(range(len(clients)))
        for thread in threads:
            thread.start()
        choices = self._choices()
        while self._left:
            with self._changed:
                self._wait(lambda: self._running is None and self._is_settled())
                if not self._left:
                    break
                if not self._ready:
                    self._ready, self._sleeping = self._sleeping, set()
                ready = sorted(self._ready)
                self._running = ready[next(choices) % len(ready)]
                self._ready.discard(self._running)
                self._changed.notify_all()
        if self._failures:
            raise self._failures[0]

    def turn(self) -> None:
        """Wait until it is this client's turn to send a request."""
        self._stop(self._ready)

    def sleep(self, _seconds: float) -> None:
        """Wait until every other client has ended or waits."""
        self._stop(self._sleeping)

    def transport(self, storage: S3Double) -> DoubleTransport:
        """Return a transport that sends each request when it is its client's turn."""
        return _TurnTransport(storage, self)

    def _stop(self, where: set[int]) -> None:
        number: int = self._local.number
        with self._changed:
            # The sets are exchanged when sleepers wake.
            (self._sleeping if where is self._sleeping else self._ready).add(number)
            self._running = None
            self._changed.notify_all()
            self._wait(lambda: self._running == number)

    def _client(self, number: int, work: Callable[[], object]) -> None:
        self._local.number = number
        try:
            self.turn()
            work()
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            with self._changed:
                self._left.discard(number)
                self._running = None
                self._changed.notify_all()

    def _is_settled(self) -> bool:
        return len(self._ready) + len(self._sleeping) == len(self._left)

    def _choices(self) -> Iterator[int]:
        while True:
            yield from self._schedule

    def _wait(self, holds: Callable[[], bool]) -> None:
        assert self._changed.wait_for(holds, _TIMEOUT_SECONDS), "the clients hang"


class _TurnTransport(DoubleTransport):
    """A transport that waits for its client's turn before each request."""

    def __init__(self, storage: S3Double, order: Interleaved) -> None:
        super().__init__(storage)
        self._order = order

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        self._order.turn()
        return super().exchange(method, url, headers, body, kind)
