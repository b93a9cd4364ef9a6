"""Requests to a bucket, as anybody or as somebody: signed, never redirected, never large."""

import contextlib
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from nix_cache.client.source import Credential

WORKERS = 8
"""Requests at a time. A server on a slow line is asked for many small objects."""

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 30.0
_BODY_BYTES = 4_000_000
"""Of an answer that is kept. A narinfo with 10,000 references has half a megabyte."""

_NOT_ACCEPTED = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "RequestTimeTooSkewed"}
)
"""What S3 says of a credential that is gone or disabled, that has another secret, or that comes
with a wrong time. Whether it would have the right was not asked."""

_CODE = re.compile(rb"<Code>([A-Za-z0-9]+)</Code>")
_BUSY = frozenset({429, 500, 502, 503, 504})


class NoAnswerError(Exception):
    """The server did not answer. The message tells why; ``certificate`` if that was refused."""

    def __init__(self, reason: str, certificate: ssl.SSLCertVerificationError | None) -> None:
        super().__init__(reason)
        self.certificate = certificate


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: by name; any spelling of it.
        body: what came with it, cut at some megabytes.
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


def certificates(environment: Mapping[str, str] = os.environ) -> str | None:
    """The file of trusted certificates that Nix would use; None for the system's own."""
    return environment.get("NIX_SSL_CERT_FILE") or environment.get("SSL_CERT_FILE") or None


def connections() -> urllib3.PoolManager:
    """Connections for all doors of one run. A busy server is asked again a few times."""
    return urllib3.PoolManager(
        maxsize=WORKERS,
        timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        retries=urllib3.Retry(
            total=3,
            redirect=0,
            raise_on_redirect=False,
            status_forcelist=_BUSY,
            raise_on_status=False,
            allowed_methods=None,
            backoff_factor=0.2,
        ),
        ca_certs=certificates(),
    )


class Door:
    """A way into a bucket.

    Args:
        http: the connections.
        url: of the bucket, or of what stands for it.
        region: what requests are signed for.
        credential: of whom the requests are; None for anybody's.
    """

    def __init__(
        self,
        http: urllib3.PoolManager,
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
        """
        with self._answered(method, key, query, headers or {}, body) as response:
            content = response.read(_BODY_BYTES) if method != "HEAD" else b""
            return Answer(response.status, response.headers, content)

    @contextlib.contextmanager
    def streamed(self, key: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """An object as a file to read from, as it is stored.

        Raises:
            NoAnswerError: nothing came back, or not all of it.
        """
        with self._answered("GET", key, "", {}, b"") as response:
            yield response

    @contextlib.contextmanager
    def _answered(
        self, method: str, key: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        url = f"{self.url}/{quote(key)}" if key else self.url
        request = AWSRequest(
            method, f"{url}?{query}" if query else url, headers=dict(headers), data=body or None
        )
        if self._credential:
            pair = Credentials(self._credential.access_key_id, self._credential.secret_access_key)
            S3SigV4Auth(pair, "s3", self._region).add_auth(request)
        ready = request.prepare()
        response = None
        try:
            response = self._http.request(
                method,
                ready.url,
                body=body or None,
                headers=dict(ready.headers),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            yield response
        except urllib3.exceptions.HTTPError as failure:
            raise _no_answer(failure) from failure
        finally:
            if response is not None:
                response.drain_conn() if method == "HEAD" else response.close()


def _no_answer(failure: urllib3.exceptions.HTTPError) -> NoAnswerError:
    reason: BaseException = failure
    while inner := _cause(reason):
        reason = inner
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NoAnswerError(reason.verify_message, reason)
    if isinstance(reason, OSError) and reason.strerror:
        return NoAnswerError(reason.strerror, None)
    return NoAnswerError(str(reason).partition(": ")[2] or str(reason), None)


def _cause(failure: BaseException) -> BaseException | None:
    """What a failure of urllib3 came from: a reason, a cause, or what it was made of."""
    if isinstance(failure, ssl.SSLError):
        return None
    candidates = (getattr(failure, "reason", None), failure.__cause__, *failure.args[:1])
    return next((one for one in candidates if isinstance(one, BaseException)), None)
