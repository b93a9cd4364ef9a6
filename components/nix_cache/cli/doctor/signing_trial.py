"""A server on this machine that only looks whether the requests that it gets are signed."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SigningTrial(ThreadingHTTPServer):
    """The server, on a free port of the loopback.

    Attributes:
        signed: of each request so far, whether it was signed.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.signed: list[bool] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def signing_trial() -> Iterator[SigningTrial]:
    """Provide a trial that answers, as a cache's storage would, until the body ends."""
    server = SigningTrial()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: SigningTrial

    def _answer(self) -> None:
        self.server.signed.append("Authorization" in self.headers)
        body = b"StoreDir: /nix/store\n"
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
