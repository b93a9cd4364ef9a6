"""Plain requests to a bucket of a service, signed or not, whose every answer is returned.

boto3 turns answers into results and errors; a probe needs the answer itself.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from nix_cache.backends.s3.connection import S3Service, explained
from nix_cache.backends.s3.login import S3Login
from nix_cache.rights.client import error_code

_SECONDS = (10, 30)
"""To connect, and to read."""

_ATTEMPTS = 4
"""How often a request is sent that the service closed the connection on: services do so after a
refusal, while the next request is on its way or the rest of a body is unread."""

_STRANGER_CODES = frozenset(
    {
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId"),
        *("RequestTimeTooSkewed", "ExpiredToken", "InvalidToken"),
    }
)


@dataclass(frozen=True)
class PlainAnswer:
    """A complete answer.

    Attributes:
        status: the HTTP status.
        headers: by name, in any letter case.
        body: as it was received.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The service's code of an error; empty without one."""
        return error_code(self.body)

    @property
    def is_stranger(self) -> bool:
        """Whether the credential itself was not accepted."""
        return self.code in _STRANGER_CODES

    @property
    def is_refusal(self) -> bool:
        """Whether the status is that of a missing right."""
        return self.status in {401, 403}

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


class PlainClient:
    """A way into a bucket, as one user or without a credential. No redirect is followed.

    Args:
        service: where the bucket is.
        bucket: its name.
        login: whose requests these are; None for anonymous ones.
    """

    def __init__(self, service: S3Service, bucket: str, login: S3Login | None) -> None:
        self._service = service
        self._login = login
        self._url = f"{service.endpoint.rstrip('/')}/{bucket}"
        if service.addressing_style == "virtual":
            scheme, _, host = service.endpoint.rstrip("/").partition("://")
            self._url = f"{scheme}://{bucket}.{host}"
        self._session = URLLib3Session(
            verify=os.environ.get("AWS_CA_BUNDLE") or True,  # type: ignore[arg-type]
            proxies=get_environ_proxies(self._url),
            timeout=_SECONDS,  # type: ignore[arg-type]
        )

    def request(
        self,
        method: str,
        key: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> PlainAnswer:
        """Send one request, and return the answer whatever it is.

        Raises:
            S3ServiceError: there is none.
        """
        is_host = self._service.addressing_style == "virtual"
        url = f"{self._url}/{quote(key)}" if key or is_host else self._url
        url = f"{url}?{query}" if query else url
        sent = AWSRequest(method, url, dict(headers or {}), body)
        login = self._login
        if login is not None:
            pair = Credentials(
                login.access_key_id, login.secret_access_key, login.session_token or None
            )
            S3SigV4Auth(pair, "s3", self._service.region).add_auth(sent)
        with explained(self._service.endpoint, login or S3Login("", ""), "probe the rights"):
            response = self._answered(sent.prepare())
            return PlainAnswer(response.status_code, response.headers, response.content)

    def _answered(self, request: AWSPreparedRequest) -> AWSResponse:
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(ConnectionClosedError):
                return self._session.send(request)
        return self._session.send(request)
