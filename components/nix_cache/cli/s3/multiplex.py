"""Many small requests to one host in one thread, over connections that are open.

A thread for each request spends most of its time waiting for Python's lock. Only the usual case is
here: a request that can be written down, and a plain answer. Every other one, and each failure, is
returned as such, so that the transport repeats the request, within its limits.
"""

import http.client
import selectors
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

from urllib3.connection import HTTPConnection

from nix_cache.cli.limits import ERROR_BYTES, TimeLimits
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3 import wire
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.pace import AdaptiveLimit
from nix_cache.cli.s3.reply import OversizedError, Reply, oversized
from nix_cache.cli.s3.retry import is_busy
from nix_cache.cli.s3.small_request import FailedTry, SmallRequest

_RECEIVED_BYTES = 1 << 16
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_QUIET_SECONDS = 0.5
"""After which a caller that can be woken gets its turn, although nothing came."""

_READ, _BOTH = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE

_Tag = TypeVar("_Tag")


class _Line(Generic[_Tag]):
    """A connection, and the request that it carries.

    Args:
        connection: that is open.
        line: its socket.
    """

    __slots__ = (
        *("connection", "content", "ends", "head", "is_waiting", "line", "request", "started"),
        *("timeout", "unsent"),
    )

    def __init__(self, connection: HTTPConnection, line: socket.socket) -> None:
        self.connection = connection
        self.line = line
        self.timeout = line.gettimeout()
        self.content = b""
        self.head: wire.Head | None = None
        self.request: SmallRequest[_Tag] | None = None
        self.unsent = memoryview(b"")
        self.is_waiting = False
        self.started = self.ends = 0.0


class Multiplexer(Generic[_Tag]):
    """Connections to a host that one thread uses.

    Args:
        host: what the run knows of it.
        idle: its connections.
        times: the limits.
        limit: how many requests there may be at a time.
        most: how many connections are used.

    Attributes:
        is_suitable: whether the host has connections that stay open, and all answers were plain.
    """

    def __init__(
        self, host: Host, idle: wire.Idle, times: TimeLimits, limit: AdaptiveLimit, most: int
    ) -> None:
        self.is_suitable = True
        self._limit = limit
        self._host = host
        self._idle = idle
        self._most = most
        self._lines: list[_Line[_Tag]] = []
        self._free: list[_Line[_Tag]] = []
        self._done: list[tuple[SmallRequest[_Tag], Reply | FailedTry]] = []
        self._selector = selectors.DefaultSelector()
        self._is_turn = False
        self._first_byte_seconds = min(times.first_byte_seconds, times.stalled_seconds)
        self._checked_at = 0.0

    def exchanges(
        self, requests: Iterator[SmallRequest[_Tag] | None], waker: Waker | None = None
    ) -> Iterator[tuple[SmallRequest[_Tag], Reply | FailedTry] | None]:
        """Send requests and read the answers, until an answer is unusual or connections are lost.

        Args:
            requests: taken one by one; None where there is none before further answers. Those that
                are left have not been sent.
            waker: asks for the caller's turn while requests are under way.

        Yields:
            each request with its answer, or with how it failed; None for the caller's turn: the
            waker was woken, and ``requests`` was asked for more since then where there is room, or
            nothing came for half a second.
        """
        try:
            self._take()
            if waker is not None:
                self._selector.register(waker, selectors.EVENT_READ)
            least = (len(self._lines) + 1) // 2
            while True:
                while self._free and self.is_suitable and len(self._lines) >= least:
                    if not self._begins(requests):
                        break
                done, self._done = self._done, []
                yield from done  # the host works on other requests meanwhile
                if self._is_turn:
                    self._is_turn = False
                    yield None
                elif not done:
                    if len(self._free) == len(self._lines):
                        return
                    self._wait(waker)
        finally:
            self._selector.close()
            for line in self._lines:
                if line.request is not None:  # the caller stopped before the answer
                    line.connection.close()
                else:
                    line.line.settimeout(line.timeout)
                self._idle.give_back(line.connection)

    def _begins(self, requests: Iterator[SmallRequest[_Tag] | None]) -> bool:
        """Send the next request; returns whether there was one, and room for it."""
        if not self._limit.has_room(len(self._lines) - len(self._free)):
            return False
        request = next(requests, None)
        if request is None:
            return False
        self._start(self._free.pop(), request)
        return True

    def _take(self) -> None:
        """Take the connections that are open."""
        while len(self._lines) < self._most and (connection := self._idle.take()) is not None:
            if not isinstance(connection.sock, socket.socket):  # such as TLS within TLS
                self._idle.give_back(connection)
                break
            line: _Line[_Tag] = _Line(connection, connection.sock)
            self._lines.append(line)
            self._selector.register(line.line, selectors.EVENT_READ, line)
            line.line.settimeout(0)
        self._free = [*self._lines]
        self.is_suitable = bool(self._lines)

    def _start(self, line: _Line[_Tag], request: SmallRequest[_Tag]) -> None:
        """Send a request."""
        now = time.monotonic()
        method = request.method
        target = wire.target_of(request.url, method, request.headers)
        if not target or not request.url.startswith(f"{self._idle.origin}/"):
            self._done.append((request, FailedTry(now, None)))
            self._free.append(line)
            return
        line.request, line.content, line.head = request, b"", None
        line.unsent = memoryview(wire.written(method, target, request.headers) + request.body)
        line.started = now
        line.ends = now + self._first_byte_seconds
        self._send(line)

    def _send(self, line: _Line[_Tag]) -> None:
        """Send what the connection takes of a request."""
        try:
            line.unsent = line.unsent[line.line.send(line.unsent) :]
        except _LATER:
            pass
        except OSError as failure:
            self._failed(line, failure)
            return
        is_waiting = bool(line.unsent)
        if is_waiting is not line.is_waiting:
            line.is_waiting = is_waiting
            self._selector.modify(line.line, _BOTH if is_waiting else _READ, line)

    def _wait(self, waker: Waker | None) -> None:
        """Wait for answers, or for the caller's turn, and end the requests whose time is over."""
        now = time.monotonic()
        if now >= self._checked_at:
            for line in [one for one in self._lines if one.request and now >= one.ends]:
                self._failed(line, TimeoutError("timed out"))
            # Later requests end later, so that there is nothing to do until then.
            ends = [line.ends for line in self._lines if line.request is not None]
            if not ends:
                return
            self._checked_at = min(ends)
        seconds = max(0.0, self._checked_at - now)
        if waker is not None:
            seconds = min(seconds, _QUIET_SECONDS)
        found = self._selector.select(seconds)
        self._is_turn = waker is not None and not found
        for key, events in found:
            line = key.data
            if line is None:
                assert waker is not None  # for the type checker
                waker.clear()
                self._is_turn = True
                continue
            if line.request is None:  # the host closed it
                self._free.remove(line)
                self._drop(line)
                continue
            if events & selectors.EVENT_WRITE:
                self._send(line)
                line.started = time.monotonic()
                line.ends = line.started + self._first_byte_seconds
            if events & selectors.EVENT_READ and line.request is not None:
                try:
                    self._receive(line, line.request)
                except _LATER:
                    continue
                except (OSError, http.client.HTTPException, OversizedError) as failure:
                    self._failed(line, failure)

    def _receive(self, line: _Line[_Tag], request: SmallRequest[_Tag]) -> None:
        """Receive what has come of an answer."""
        while True:
            piece = line.line.recv(_RECEIVED_BYTES)
            if not piece:
                raise wire.cut_off(line.content)
            self._host.heard()
            line.content += piece
            head = line.head
            if head is None:
                found = wire.parsed(line.content, request.method)
                if found is None:
                    continue
                if isinstance(found, bytes):
                    self._failed(line, None)
                    return
                line.head = head = found
                line.content = head.start
                if head.status < 300 and head.length > request.kind.most_bytes:
                    raise oversized(request.url, request.kind)
                line.ends = time.monotonic() + self._host.left(line.started)
            wanted = head.length if head.status < 300 else min(head.length, ERROR_BYTES)
            if len(line.content) >= wanted:
                self._end(line, request, head, wanted)
                return

    def _end(
        self, line: _Line[_Tag], request: SmallRequest[_Tag], head: wire.Head, wanted: int
    ) -> None:
        """Return an answer that is complete, of which so many bytes are wanted."""
        self._host.took(time.monotonic() - line.started)
        reply = Reply(request.url, head.status, head.headers, line.content[:wanted])
        if head.status >= 400 and is_busy(head.status, reply.code):
            self.is_suitable = False
            self._done.append((request, FailedTry(line.started, reply)))
        else:
            self._limit.succeeded()
            self._done.append((request, reply))
        line.request = None
        # What came beyond the answer would be read as that to the next request, and what was not
        # sent as the start of it.
        if head.keeps and len(line.content) == head.length and not line.unsent:
            self._free.append(line)
        else:
            self._drop(line)

    def _failed(self, line: _Line[_Tag], reason: Exception | None) -> None:
        """Return a request that failed, or whose answer is not plain."""
        assert line.request is not None  # for the type checker
        if reason is None:
            self.is_suitable = False
        self._done.append((line.request, FailedTry(line.started, reason)))
        line.request = None
        self._drop(line)

    def _drop(self, line: _Line[_Tag]) -> None:
        """Close a connection. The next request that needs it opens it."""
        self._selector.unregister(line.line)
        line.connection.close()
        self._lines.remove(line)
        self._idle.give_back(line.connection)
