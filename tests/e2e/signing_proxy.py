"""Signs the S3 requests of a Nix that was built without AWS signing, and of no other user.

It is an ordinary HTTP proxy, found by ``http_proxy``, so URLs stay as the stack gave them out. The
proxy user's name is the credentials profile, which it looks up where the Nix would have.
"""

import base64
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, SharedCredentialProvider
from botocore.exceptions import ConfigNotFound

_CHUNK_BYTES = 2**20
_VALID_SECONDS = 300
_OF_ONE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "proxy-authorization"}
_WITHOUT_BODY = (204, 304)


def signed(url: str, method: str, credentials: Credentials, region: str = "us-east-1") -> str:
    """Return the URL with a signature (AWS version 4) in its query, so that bodies are streamed.

    Args:
        url: what is asked for.
        method: the request's method.
        credentials: whose signature it is.
        region: the server's region.
    """
    request = AWSRequest(method=method, url=url)
    S3SigV4QueryAuth(credentials, "s3", region, expires=_VALID_SECONDS).add_auth(request)
    return str(request.url)


class SigningProxy:
    """A proxy on its own loopback port.

    Args:
        credentials_file: the credentials profiles; read again for each request.
    """

    def __init__(self, credentials_file: Path) -> None:
        self.credentials_file = credentials_file
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def credentials(self, profile: str) -> Credentials | None:
        """Return the credentials of a profile, or None if there are none."""
        try:
            return SharedCredentialProvider(str(self.credentials_file), profile).load()
        except ConfigNotFound:
            return None

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    proxy: SigningProxy
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up in the middle; that is no news."""


class _Body:
    """A request's body, read from the client while it is sent on."""

    def __init__(self, source: BufferedIOBase, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, wanted: int = -1) -> bytes:
        """Return the next part of it."""
        size = self._left if wanted < 0 else min(wanted, self._left)
        part = self._source.read(size)
        self._left -= len(part)
        return part


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        target = urlsplit(self._signed_url())
        upstream = http.client.HTTPConnection(target.netloc, timeout=120, blocksize=_CHUNK_BYTES)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_ONE_CONNECTION}
        size = int(self.headers.get("Content-Length", 0))
        try:
            upstream.request(
                self.command,
                f"{target.path}?{target.query}".removesuffix("?"),
                _Body(self.rfile, size) if size else None,
                headers,
            )
            self._answer(upstream.getresponse())
        except OSError:
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    def _signed_url(self) -> str:
        is_signed = "Authorization" in self.headers or "X-Amz-Signature=" in self.path
        credentials = self.server.proxy.credentials(self._profile())
        if is_signed or credentials is None:
            return self.path
        return signed(self.path, self.command, credentials)

    def _profile(self) -> str:
        encoded = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        return base64.b64decode(encoded).decode().partition(":")[0]

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        if answer.length is None and answer.status not in _WITHOUT_BODY:
            self.send_header("Connection", "close")
        self.end_headers()
        while part := answer.read(_CHUNK_BYTES):
            self.wfile.write(part)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
