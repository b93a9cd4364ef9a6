"""Requests to a bucket, anonymous or signed: never redirected, never large."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from nix_cache.cli.limits import body_limit
from nix_cache.cli.s3.connections import certificates
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.transport import Transport

__all__ = ["WORKERS", "Answer", "Door", "NoAnswerError", "certificates", "connections"]

WORKERS = 8
"""Requests at a time. A server on a slow line is asked for many small objects."""

_NOT_ACCEPTED = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "RequestTimeTooSkewed"}
)
"""What S3 says of a credential that is gone or disabled, that has another secret, or that comes
with a wrong time. Whether it would have the right was not asked."""

_CODE = re.compile(rb"<Code>([A-Za-z0-9]+)</Code>")


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: by name; any spelling of it.
        body: what came with it, with its Content-Encoding; of an error, cut off.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The storage's own word for an error, such as ``AccessDenied``; empty without one."""
        found = _CODE.search(self.body)
        return found[1].decode() if found else ""

    @property
    def is_stranger(self) -> bool:
        """Whether the credential itself was not accepted."""
        return self.code in _NOT_ACCEPTED

    @property
    def is_refusal(self) -> bool:
        """Whether it is a matter of rights."""
        return self.status in {401, 403}

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


def connections() -> Transport:
    """Connections for all doors of one run."""
    return Transport(jobs=WORKERS)


class Door:
    """A way into a bucket.

    Args:
        http: the connections.
        url: of the bucket, or of what stands for it.
        region: what requests are signed for.
        credential: of whom the requests are; None for anonymous ones.
    """

    def __init__(
        self,
        http: Transport,
        url: str,
        region: str,
        credential: Credential | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = http
        self._region = region
        self._credential = credential

    def request(
        self,
        method: str,
        key: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Ask for one thing.

        Args:
            method: of HTTP.
            key: the object; the bucket itself if empty.
            query: what stands after the question mark, encoded.
            headers: to send along.
            body: to send along.

        Raises:
            NoAnswerError: nothing came back.
            OversizedError: more came back than is read of such an object.
        """
        url, signed = self._signed(method, key, query, headers or {}, body)
        reply = self._http.exchange(method, url, signed, body or None, body_limit(key))
        return Answer(reply.status, reply.headers, reply.body)

    @contextlib.contextmanager
    def streamed(self, key: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """An object as a file to read from, as it is stored.

        Raises:
            NoAnswerError: nothing came back, or not all of it.
        """
        url, signed = self._signed("GET", key, "", {}, b"")
        with self._http.opened(url, signed) as response:
            yield response

    def _signed(
        self, method: str, key: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, dict[str, str]]:
        """The URL and the headers of a request."""
        url = f"{self.url}/{quote(key)}" if key else self.url
        request = AWSRequest(
            method, f"{url}?{query}" if query else url, headers=dict(headers), data=body or None
        )
        if self._credential:
            pair = Credentials(self._credential.access_key_id, self._credential.secret_access_key)
            S3SigV4Auth(pair, "s3", self._region).add_auth(request)
        ready = request.prepare()
        return ready.url, dict(ready.headers)
