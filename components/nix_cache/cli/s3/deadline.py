"""Sockets that keep a deadline over everything that a request does, and not for each read alone.

A timeout of a socket starts again with every byte, so a server that sends one byte now and then
holds a request for ever. Here the deadline belongs to the request: within ``deadline.kept()``, name
resolution, connecting, TLS, sending and receiving all end when it is over.
"""

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

_current: ContextVar["Deadline | None"] = ContextVar("deadline", default=None)


class Deadline:
    """A point in time by which something has to be done.

    Args:
        seconds: from now.
        heard: called whenever something was received.
    """

    def __init__(self, seconds: float, heard: Callable[[], None] = lambda: None) -> None:
        self._ends = time.monotonic() + seconds
        self._heard = heard
        self._renewed_seconds = 0.0
        self._renewed_by = 0
        self._received = 0

    def set(self, seconds: float) -> None:
        """Let it be some seconds from now."""
        self._ends = time.monotonic() + seconds

    def renew(self, seconds: float, by_bytes: int) -> None:
        """Let it be some seconds from now, and again whenever so many bytes have come in."""
        self._renewed_seconds, self._renewed_by, self._received = seconds, by_bytes, 0
        self.set(seconds)

    def left(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            TimeoutError: it is over.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def received(self, count: int) -> None:
        """Take note of some bytes that came in."""
        if count <= 0:
            return
        self._heard()
        self._received += count
        if self._renewed_by and self._received >= self._renewed_by:
            self.renew(self._renewed_seconds, self._renewed_by)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Let all sockets that this thread uses keep it."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def connect(
    host: str, port: int, seconds: float, options: Sequence[tuple[int, int, int | bytes]] = ()
) -> socket.socket:
    """Connect to a host, whichever of its addresses answers first in their order.

    Args:
        host: its name or address.
        port: the port.
        seconds: the longest time for one address.
        options: of the socket.

    Raises:
        OSError: no address could be reached, or the name has none.
        TimeoutError: the deadline is over.
    """
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in resolve(host, port):
        line = _Socket(family, kind, protocol)
        try:
            for option in options:
                line.setsockopt(*option)
            line.settimeout(min(seconds, _left(seconds)))
            line.connect(address)
        except OSError as reason:
            failure = reason
            line.close()
        else:
            return line
    raise failure


def resolve(host: str, port: int) -> list[Any]:
    """Return the addresses of a host, as ``socket.getaddrinfo`` does.

    That function cannot be interrupted, and may block for minutes where the resolver is silent.
    So it runs in a separate thread, which is left behind when the deadline is over.

    Raises:
        OSError: the name has no address, or cannot be one.
        TimeoutError: the deadline is over.
    """
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()
    name = host.strip("[]")

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)))
        except OSError as failure:
            answers.put(failure)
        except UnicodeError:
            answers.put(OSError(f"{name!r} is not a host name"))

    threading.Thread(target=ask, daemon=True, name="resolver").start()
    deadline = _current.get()
    try:
        found = answers.get(timeout=deadline.left() if deadline else None)
    except queue.Empty:
        raise TimeoutError("name resolution timed out") from None
    if isinstance(found, OSError):
        raise found
    return found


def tls_context(certificates: str) -> ssl.SSLContext:
    """Return a context for verified TLS whose sockets keep the deadline.

    It accepts what curl, and so Nix, accepts: a trusted certificate need not be a root, and an
    authority need not have all extensions that RFC 5280 wants, as Python 3.13 requires it.

    Args:
        certificates: a file of trusted certificates.
    """
    context = ssl.create_default_context(cafile=certificates)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.sslsocket_class = _TLSSocket
    return context


def _left(seconds: float) -> float:
    deadline = _current.get()
    return deadline.left() if deadline else seconds


def _before(line: socket.socket) -> None:
    if deadline := _current.get():
        line.settimeout(deadline.left())


def _after(count: int) -> None:
    if deadline := _current.get():
        deadline.received(count)


class _TimedSocket(socket.socket):
    """A socket that keeps the deadline of the thread that reads from it."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _before(self)
        count = super().recv_into(*args, **kwargs)
        _after(count)
        return count

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        _before(self)
        content = super().recv(*args, **kwargs)
        _after(len(content))
        return content


class _Socket(_TimedSocket):
    """A plain socket. It sends in one call of the system's."""

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _before(self)
        super().sendall(*args, **kwargs)


class _TLSSocket(_TimedSocket, ssl.SSLSocket):
    """A socket under TLS. It sends in several calls."""

    def send(self, *args: Any, **kwargs: Any) -> int:
        _before(self)
        return super().send(*args, **kwargs)

    def do_handshake(self, block: bool = False) -> None:
        _before(self)
        super().do_handshake(block)
