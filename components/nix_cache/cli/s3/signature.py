"""Signs requests to S3 with AWS Signature Version 4.

The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
botocore's ``S3SigV4Auth``, which takes four times as long, and a push sends thousands of small
requests. The digest of the body is always signed.
"""

import functools
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "s3"
_DEFAULT_PORTS = {"http": 80, "https": 443}
EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()


class Secret(Protocol):
    """The parts of a credential."""

    @property
    def access_key(self) -> str | None:
        """The access key id."""

    @property
    def secret_key(self) -> str | None:
        """The secret."""

    @property
    def token(self) -> str | None:
        """The session token, if there is one."""


@dataclass(frozen=True)
class KeyPair:
    """A credential that stays as it is.

    Attributes:
        access_key: the access key id.
        secret_key: the secret.
        token: the session token, if there is one.
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class _DayKey(NamedTuple):
    secret_key: str
    date: str
    material: bytes


class Signer:
    """Signs requests.

    Args:
        region: what they are signed for.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._day: _DayKey | None = None

    def headers(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        digest: str,
        secret: Secret,
        now: float | None = None,
    ) -> dict[str, str]:
        """Return the headers of a request with its signature, which covers all of them.

        Args:
            method: of HTTP.
            url: with its query, both percent-encoded.
            headers: that are sent along. ``Host`` is added if it is not among them.
            digest: the SHA-256 of the body, in hexadecimal.
            secret: what to sign with.
            now: the time in seconds since 1970; None for the clock's.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        sent = {**headers, "X-Amz-Date": stamp}
        if "Host" not in sent:
            sent["Host"] = host_of(url)
        if secret.token:
            sent["X-Amz-Security-Token"] = secret.token
        sent["X-Amz-Content-SHA256"] = digest
        order = _order(tuple(sent))
        names = order.names
        lines = "".join(
            [f"{lower}:{' '.join(sent[name].split())}\n" for lower, name in order.pairs]
        )
        path, query = _target(url)
        request = f"{method}\n{path or '/'}\n{_sorted(query)}\n{lines}\n{names}\n{digest}"
        scope = f"{stamp[:8]}/{self._region}/{_SERVICE}/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = self._key(secret.secret_key or "", stamp[:8])
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        sent["Authorization"] = (
            f"{_ALGORITHM} Credential={secret.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        return sent

    def _key(self, secret_key: str, date: str) -> bytes:
        """Return the key of a day, which is made once."""
        day = self._day
        if day is None or (day.secret_key, day.date) != (secret_key, date):
            material = f"AWS4{secret_key}".encode()
            for part in (date, self._region, _SERVICE, "aws4_request"):
                material = hmac.digest(material, part.encode(), "sha256")
            self._day = day = _DayKey(secret_key, date, material)
        return day.material


class _Order(NamedTuple):
    """Headers in the order in which they are signed.

    Attributes:
        names: all names in lower case, joined.
        pairs: each name in lower case, and as it is sent.
    """

    names: str
    pairs: tuple[tuple[str, str], ...]


@functools.lru_cache(maxsize=64)
def _order(names: tuple[str, ...]) -> _Order:
    pairs = tuple(sorted((name.lower(), name) for name in names))
    return _Order(";".join([lower for lower, _ in pairs]), pairs)


def _target(url: str) -> tuple[str, str]:
    """Return the path and the query of an encoded URL."""
    _, _, rest = url.partition("://")
    path, _, query = rest.partition("?")
    return path[path.find("/") :] if "/" in path else "", query


def host_of(url: str) -> str:
    """Return the header ``Host`` of a URL: the port only where it is not the scheme's default.

    The zone of an IPv6 address is left out: it is local.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    try:
        port = parts.port
    except ValueError:  # connecting fails, and reports it
        return parts.netloc
    return host if port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{port}"


def _sorted(query: str) -> str:
    """Return an encoded query as it is signed: sorted, each name with an equals sign."""
    if not query:
        return ""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs)
