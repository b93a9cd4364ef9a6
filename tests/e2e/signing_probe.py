"""Finds out whether a Nix signs its S3 requests, by looking at one of them."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.nix import Nix
from toolchain.nix import RealNix

PROFILE = "probe"


def signs_requests(real: RealNix, session: Path) -> bool:
    """Whether a Nix that has credentials sends them along.

    Args:
        real: the Nix.
        session: a folder that the whole run of tests shares.
    """
    nix = Nix(real, session, session / "probe", signs=True)  # so that no proxy signs for it
    nix.add_profile(PROFILE, {"accessKeyId": "probe", "secretAccessKey": "probe-probe"})
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        store = f"s3://probe?profile={PROFILE}&region=us-east-1&endpoint={endpoint}"
        told = nix.run("store", "info", "--store", store)
    except subprocess.TimeoutExpired as hung:
        raise AssertionError(f"the Nix hung while it was looked at: {hung}") from hung
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        nix.close()
    assert server.signed, f"the Nix asked nothing of an S3 cache:\n{told.output}"
    return all(server.signed)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.signed: list[bool] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _answer(self) -> None:
        self.server.signed.append("Authorization" in self.headers)
        body = b"StoreDir: /nix/store\n"
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
