"""A proxy in front of a server that changes what comes back, or speaks TLS."""

import ssl
import threading
from collections.abc import Callable
from typing import Self

from tests.fakes.forwarding import ForwardingHandler, ForwardingServer, Headers


class AlteringProxy:
    """A proxy on its own loopback port.

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
            # Without a handshake in the thread that accepts, a bad one disturbs no other user.
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


class _Server(ForwardingServer):
    upstream: str
    alter: Callable[[int, Headers], tuple[int, Headers]]
    body: bytes | None


class _Handler(ForwardingHandler):
    server: _Server

    def _pass_on(self) -> None:
        status, headers, content = self.forward(self.server.upstream, self.body())
        status, headers = self.server.alter(status, headers)
        self.answer(status, headers, content if self.server.body is None else self.server.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815
