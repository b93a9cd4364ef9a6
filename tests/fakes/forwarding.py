"""What proxies in front of a server have in common: they pass requests on and answers back."""

import http.client
import ssl
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Headers = dict[str, str]
_OF_ONE_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}


class ForwardingServer(ThreadingHTTPServer):
    """A server that ends without waiting for its clients."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up on a bad certificate or a faulty server; that is no news."""


class ForwardingHandler(BaseHTTPRequestHandler):
    """One connection, whose requests can be passed on."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """Return the body of the request."""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def forward(
        self, upstream: str, body: bytes, tls: ssl.SSLContext | None = None
    ) -> tuple[int, Headers, bytes]:
        """Pass the request on.

        Args:
            upstream: host and port of the server.
            body: the request's.
            tls: how the server is spoken to; in the clear if it is None.

        Returns:
            status, headers and body of the answer.

        Raises:
            OSError: the server does not answer.
        """
        connection = (
            http.client.HTTPSConnection(upstream, timeout=30, context=tls)
            if tls
            else http.client.HTTPConnection(upstream, timeout=30)
        )
        try:
            connection.request(self.command, self.path, body or None, _kept(dict(self.headers)))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer the request; what the headers say of the body's length is put right."""
        self.send_response_only(status)
        reported = _kept(headers)
        if self.command != "HEAD" and status != HTTPStatus.NO_CONTENT:
            reported = {
                name: reported[name] for name in reported if name.lower() != "content-length"
            }
            reported["Content-Length"] = str(len(body))
        for name, value in reported.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def _kept(headers: Headers) -> Headers:
    return {name: headers[name] for name in headers if name.lower() not in _OF_ONE_CONNECTION}
