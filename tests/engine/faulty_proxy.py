"""A proxy in front of a server that fails on demand, as networks and busy servers do."""

import http.client
import socket
import struct
import threading
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_NOT_FORWARDED = {"connection", "transfer-encoding", "keep-alive"}
_BUSY = b"<Error><Code>SlowDownRead</Code><Message>busy</Message></Error>"


class Fault(StrEnum):
    """What becomes of a request."""

    NONE = "passed on"
    DOWN = "refused"
    BUSY = "answered 503"
    RESET = "reset"
    HANG = "never answered"


class FaultyProxy:
    """A proxy on a loopback port of its own, which keeps that port while it is down.

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
        self._port = port
        self._listen()

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self._port}"

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def treatment(self, request: str) -> tuple[Fault, bool]:
        """What is to be done to a request that came in, and whether its answer is passed on."""
        with self._lock:
            self.requests.append(request)
            is_last = bool(self._last_request) and request.startswith(self._last_request)
            return self._fault, self._last_is_answered or not is_last

    def after(self, request: str) -> None:
        """A request was passed on."""
        if self._last_request and request.startswith(self._last_request):
            self.fail(Fault.DOWN)

    def wait_for_end(self) -> None:
        """Keep a request without an answer for as long as the proxy listens."""
        self._closing.wait()

    def _listen(self) -> None:
        self._closing.clear()
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.proxy = self
        self._port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _stop(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    proxy: FaultyProxy
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients give up on a faulty server; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _treat(self) -> None:
        proxy, request, body = self.server.proxy, f"{self.command} {self.path}", self._body()
        fault, is_answered = proxy.treatment(request)
        match fault:
            case Fault.NONE:
                self._pass_on(body, is_answered=is_answered)
                proxy.after(request)
            case Fault.BUSY:
                self._answer(503, {"Content-Type": "application/xml"}, _BUSY)
            case Fault.HANG:
                proxy.wait_for_end()
                self.close_connection = True
            case _:
                self._reset()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _treat  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _pass_on(self, body: bytes, *, is_answered: bool) -> None:
        upstream = http.client.HTTPConnection(self.server.proxy.upstream, timeout=30)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _NOT_FORWARDED}
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
            if is_answered:
                self._answer(answer.status, dict(answer.getheaders()), content)
            else:
                self._reset()
        except OSError:
            self._reset()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        kept = {k: v for k, v in headers.items() if k.lower() not in _NOT_FORWARDED}
        if self.command != "HEAD":
            kept = {k: v for k, v in kept.items() if k.lower() != "content-length"}
            kept["Content-Length"] = str(len(body))
        for name, value in kept.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # closing now sends a reset instead of an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
