"""A proxy in front of a server that fails on demand, as networks and busy servers do."""

import socket
import struct
import threading
from enum import StrEnum
from typing import Self

from tests.engine.ports import ReservedPort
from tests.fakes.forwarding import ForwardingHandler, ForwardingServer

_ERROR = b"<Error><Code>InternalError</Code><Message>broken</Message></Error>"
_DENIED = b"<Error><Code>AccessDenied</Code><Message>denied</Message></Error>"
_BUSY = b"<Error><Code>SlowDownRead</Code><Message>busy</Message></Error>"


class Fault(StrEnum):
    """What becomes of a request."""

    NONE = "passed on"
    DOWN = "refused"
    BUSY = "answered 503"
    ERROR = "answered 500"
    DENIED = "answered 403"
    RESET = "reset"
    HANG = "never answered"


GIVE_UP_SECONDS = {
    Fault.NONE: 3.0,
    Fault.DOWN: 3.0,
    Fault.BUSY: 3.0,
    Fault.ERROR: 3.0,
    Fault.DENIED: 3.0,
    Fault.RESET: 3.0,
    Fault.HANG: 9.0,
}
"""How much longer a command may adopt a fault, or over a refusal, than two that all is well
for: the machine may be busier than when those were measured."""


class FaultyProxy:
    """A proxy on its own loopback port, which keeps that port while it is down.

    Args:
        upstream: host and port of the server behind it.
        port: its own port; by default any that is free.
    """

    def __init__(self, upstream: str, port: int = 0) -> None:
        self.upstream = upstream
        self.requests: list[str] = []
        """Method and path of every request that came in."""
        self._fault = Fault.NONE
        self._last_request = ""
        self._last_is_answered = True
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._port = ReservedPort(port)
        self._listen()

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return self._port.netloc

    def fail(self, fault: Fault) -> None:
        """From now on, do this to every request."""
        with self._lock:
            was_down, self._fault = self._fault is Fault.DOWN, fault
            self._last_request = ""
        if fault is Fault.DOWN and not was_down:
            self._stop()
        elif was_down and fault is not Fault.DOWN:
            self._listen()

    def go_down_after(self, request: str, *, answered: bool) -> None:
        """Pass on all requests up to a certain one, and then be down.

        Args:
            request: how that one begins: ``PUT /bucket``.
            answered: whether its answer is passed on too, or lost.
        """
        with self._lock:
            self._last_request, self._last_is_answered = request, answered

    def heal(self) -> None:
        """Pass everything on again."""
        self.fail(Fault.NONE)

    def close(self) -> None:
        """Stop for good."""
        if self._fault is not Fault.DOWN:
            self._stop()
        self._port.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def treatment(self, request: str) -> tuple[Fault, bool]:
        """Return what to do to a request, and whether its response is passed on."""
        with self._lock:
            self.requests.append(request)
            is_last = bool(self._last_request) and request.startswith(self._last_request)
            return self._fault, self._last_is_answered or not is_last

    def after(self, request: str) -> None:
        """Count a request that was passed on."""
        if self._last_request and request.startswith(self._last_request):
            self.fail(Fault.DOWN)

    def wait_for_end(self) -> None:
        """Keep a request without an answer for as long as the proxy listens."""
        self._closing.wait()

    def _listen(self) -> None:
        self._closing.clear()
        self._server = _Server(self._port.address, _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _stop(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ForwardingServer):
    proxy: FaultyProxy


class _Handler(ForwardingHandler):
    server: _Server

    def _treat(self) -> None:
        proxy, request, body = self.server.proxy, f"{self.command} {self.path}", self.body()
        fault, is_answered = proxy.treatment(request)
        match fault:
            case Fault.NONE:
                self._pass_on(body, is_answered=is_answered)
                proxy.after(request)
            case Fault.BUSY:
                self.answer(503, {"Content-Type": "application/xml"}, _BUSY)
            case Fault.ERROR:
                self.answer(500, {"Content-Type": "application/xml"}, _ERROR)
            case Fault.DENIED:
                self.answer(403, {"Content-Type": "application/xml"}, _DENIED)
            case Fault.HANG:
                proxy.wait_for_end()
                self.close_connection = True
            case _:
                self._reset()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _treat  # noqa: N815

    def _pass_on(self, body: bytes, *, is_answered: bool) -> None:
        try:
            answer = self.forward(self.server.proxy.upstream, body)
            if is_answered:
                self.answer(*answer)
            else:
                self._reset()
        except OSError:
            self._reset()

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # closing now sends a reset instead of an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()
