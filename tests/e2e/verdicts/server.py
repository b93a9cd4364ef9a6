"""A small real web server that serves a cache made of samples."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.e2e.verdicts.samples import FOLDER, Sample, Stored

_NOT_LISTED = b"<Error><Code>AccessDenied</Code></Error>"
"""What S3 answers where the bucket may not be listed."""


@dataclass
class SampleCache:
    """What is served.

    Attributes:
        url: the cache's.
        objects: by key.
    """

    url: str
    objects: dict[str, Stored] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        """Serve a sample."""
        self.objects.update(sample.objects())


@contextlib.contextmanager
def sample_cache(store_dir: str) -> Iterator[SampleCache]:
    """Provide a server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            _, folder, key = f"{path}/".split("/", 2)
            absent = Stored(b"", status=404)
            stored = served.objects.get(key[:-1], absent) if folder == FOLDER else absent
            headers: Mapping[str, str] = {"Content-Length": str(len(stored.body)), **stored.headers}
            has_body = with_body and stored.status not in {204, 304}
            self.send_response(stored.status)
            for name, value in headers.items():
                self.send_header(name, value)
            is_short = int(headers["Content-Length"]) != len(stored.body)
            if is_short:
                self.send_header("Connection", "close")
            self.end_headers()
            if has_body:
                self.wfile.write(stored.body)
            self.close_connection = self.close_connection or is_short or stored.status == 204

        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *arguments: Any) -> None:
            """Stay silent: clients hang up on what they refuse."""

    with Server(("127.0.0.1", 0), Handler) as server:
        served = SampleCache(f"http://127.0.0.1:{server.server_port}/{FOLDER}")
        info = f"StoreDir: {store_dir}\nWantMassQuery: 1\nPriority: 40\n"
        served.objects[""] = Stored(_NOT_LISTED, {"Content-Type": "application/xml"}, 403)
        served.objects["nix-cache-info"] = Stored(info.encode())
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
