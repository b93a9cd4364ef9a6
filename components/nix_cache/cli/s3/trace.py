"""Follows the requests that a MinIO server answers, by the trace of its admin API.

The server sends one line of JSON for each request, and a space every half second meanwhile.
"""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import urllib3

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import ERROR_BYTES, TIMES, TRACE_LINE_BYTES
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.connections import connections
from nix_cache.cli.s3.credentials import Credential, Identity
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.manifest import Manifest
from nix_cache.rights.client import error_code

_PATH = "minio/admin/v3/trace"
_QUERY = "s3=true"
_CHUNK_BYTES = 1 << 16
_SILENT_SECONDS = 20.0
"""After which a server that does not even send spaces is given up."""


class Trace:
    """The requests that a server answers from now on.

    Args:
        manifest: a cache on the server.
        credential: of an administrator of the server.
        profile: where that is from, for messages.
    """

    def __init__(self, manifest: Manifest, credential: Credential | Identity, profile: str) -> None:
        self.oversized = 0
        """How many lines were left out, because they are too long."""
        self._endpoint = manifest.endpoint
        self._profile = profile
        parts = urlsplit(manifest.endpoint)
        root = f"{parts.scheme}://{parts.netloc}"
        client = S3Client(Transport(jobs=1), root, manifest.region, credential)
        self._url, self._headers = client.signed(_PATH, _QUERY)
        self._manager = connections(root, TIMES.connect_seconds, _SILENT_SECONDS, 1)

    def lines(self) -> Iterator[bytes]:
        """Yield each line, and an empty one whenever the server sent something.

        The first empty one means that the server reports requests from then on.

        Raises:
            ClientError: the server refuses or does not answer, or the connection breaks.
        """
        started, left, is_skipped = time.monotonic(), b"", False
        try:
            response = self._manager.request(
                "GET",
                self._url,
                headers=self._headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                self._require_trace(response)
                for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                    yield b""
                    *whole, left = (left + chunk).split(b"\n")
                    for line in whole:
                        if not is_skipped and line.strip():
                            yield line
                        is_skipped = False
                    left = left.lstrip(b" ")
                    if len(left) > TRACE_LINE_BYTES:
                        self.oversized += not is_skipped
                        left, is_skipped = b"", True
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as failure:
            reason = Host(TIMES).failed(failure, started)
            raise ClientError(
                f"the trace of the server at {self._endpoint} broke off: {reason}",
                "see that the server runs and can be reached from here, then run it again",
            ) from None
        raise ClientError(
            f"the server at {self._endpoint} ended the trace", "run it again when the server runs"
        )

    def _require_trace(self, response: urllib3.BaseHTTPResponse) -> None:
        status, kind = response.status, response.headers.get("Content-Type", "")
        if status == 200 and kind.startswith("text/event-stream"):
            return
        code = error_code(response.read(ERROR_BYTES, decode_content=False))
        if status in {401, 403}:
            raise ClientError(
                f"the profile {self._profile} may not read the trace of the server at "
                f"{self._endpoint} ({code or status})",
                "name a profile of the server's administrator, or one that may admin:ServerTrace, "
                "with --owner",
            )
        raise ClientError(
            f"{self._endpoint}/{_PATH} is not the trace of a MinIO server: it answers "
            f"{f'{status} {code}'.strip()}",
            "see that the endpoint is the server itself, and that no proxy in front of it blocks "
            "its admin API",
        )
