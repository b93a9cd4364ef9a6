"""A small real web server that answers as a cache does, for tests of the client."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ServedCache:
    """What is served, which a test may change at any time.

    Attributes:
        url: the cache's.
        objects: by path, what is there.
        redirects: by path, where it has moved.
    """

    url: str
    objects: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)

    def describe(self, manifest: dict[str, Any]) -> None:
        """Serve a manifest."""
        self.objects["/demo/nix-cache.json"] = json.dumps(manifest).encode()


@contextlib.contextmanager
def served_cache() -> Iterator[ServedCache]:
    """Provide a server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.objects.get(self.path)
            if target := served.redirects.get(self.path):
                self.send_response(302)
                self.send_header("Location", target)
            else:
                self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = ServedCache(f"http://127.0.0.1:{server.server_port}/demo")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
