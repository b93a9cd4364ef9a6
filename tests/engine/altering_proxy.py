"""A proxy in front of a server that changes what comes back, or speaks TLS."""

import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Headers = dict[str, str]
_NOT_FORWARDED = {"connection", "transfer-encoding", "keep-alive"}


class AlteringProxy:
    """A proxy on a loopback port of its own.

    Args:
        upstream: host and port of the server behind it.
        alter: makes of an answer's status and headers what is passed on.
        tls: what it speaks TLS with; None for plain HTTP.
        body: what comes with every answer instead.
    """

    def __init__(
        self,
        upstream: str,
        alter: Callable[[int, Headers], tuple[int, Headers]] = lambda *answer: answer,
        tls: ssl.SSLContext | None = None,
        body: bytes | None = None,
    ) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.upstream, self._server.alter = upstream, alter
        self._server.body = body
        if tls:
            # Without a handshake in the thread that accepts, a bad one disturbs nobody else.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    upstream: str
    alter: Callable[[int, Headers], tuple[int, Headers]]
    body: bytes | None
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that refuse a certificate are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _NOT_FORWARDED}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        content = answer.read() if self.server.body is None else self.server.body
        status, told = self.server.alter(answer.status, dict(answer.getheaders()))
        upstream.close()
        self.send_response_only(status)
        told = {k: v for k, v in told.items() if k.lower() not in _NOT_FORWARDED}
        if self.command != "HEAD" and status != 204:
            told = {k: v for k, v in told.items() if k.lower() != "content-length"}
            told["Content-Length"] = str(len(content))
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
