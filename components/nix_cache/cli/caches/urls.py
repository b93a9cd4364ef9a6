"""URLs from manifests and command lines, read strictly. Pure.

``urllib`` removes tabs and line ends, accepts any host and keeps the last of several parameters.
Nix reads some of these differently, so such URLs are refused here and never repaired.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

BUCKET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
"""As wide as any storage has it, or shorter: the storage has the last word."""

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_PRINTABLE = re.compile(r"[!-~]*")
_S3 = re.compile(r"s3://(?P<bucket>[^/?#@:]+)(?:\?(?P<query>[^?#]*))?")
_PARAMETER = re.compile(
    r"(?P<name>[a-z][a-z-]*)=(?P<value>(?:[A-Za-z0-9._~:/+-]|%[0-9A-Fa-f]{2})*)"
)
_LARGEST_PORT = 65535
_HOST_LENGTH = 253


class UrlError(ValueError):
    """A URL is refused. The message says why and does not contain the URL."""


@dataclass(frozen=True)
class HttpUrl:
    """An ``http(s)://`` URL without credentials, query and fragment.

    Attributes:
        scheme: ``http`` or ``https``.
        authority: host and port, as written.
        path: without a final slash.
    """

    scheme: str
    authority: str
    path: str


@dataclass(frozen=True)
class S3Url:
    """An ``s3://`` URL as Nix reads it.

    Attributes:
        bucket: the bucket's name.
        parameters: the query, decoded. Each name occurs once.
    """

    bucket: str
    parameters: Mapping[str, str]


def parse_http(url: str) -> HttpUrl:
    """Read an ``http(s)://`` URL.

    Raises:
        UrlError: it is malformed, or has credentials, a query or a fragment.
    """
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise UrlError("it has characters that URLs do not have")
    found = _URL.fullmatch(url)
    if found is None:
        raise UrlError("it does not start with http:// or https://")
    if "@" in found["authority"]:
        raise UrlError("it has a user name or password")
    if found["rest"]:
        raise UrlError("it has a query or a fragment")
    _require_authority(found["authority"])
    path = found["path"]
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise UrlError("its path has an invalid format")
    return HttpUrl(found["scheme"], found["authority"], path.rstrip("/"))


def parse_s3(url: str) -> S3Url:
    """Read an ``s3://`` URL.

    Raises:
        UrlError: it is malformed, or names a parameter twice.
    """
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise UrlError("it has characters that URLs do not have")
    found = _S3.fullmatch(url)
    if found is None or not BUCKET_NAME.fullmatch(found["bucket"]):
        raise UrlError("it does not have the form s3://BUCKET?NAME=VALUE&...")
    parameters: dict[str, str] = {}
    for pair in found["query"].split("&") if found["query"] else []:
        name, value = _parameter(pair)
        if name in parameters:
            raise UrlError(f"it has the parameter {name} twice")
        parameters[name] = value
    return S3Url(found["bucket"], parameters)


def _require_authority(authority: str) -> None:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise UrlError("its host has an invalid format")
    host, port = found["host"], found["port"]
    if port is not None and not 0 < int(port) <= _LARGEST_PORT:
        raise UrlError("its port is not between 1 and 65535")
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise UrlError("its host is not an IPv6 address") from None
    elif len(host) > _HOST_LENGTH or not all(
        map(_LABEL.fullmatch, host.removesuffix(".").split("."))
    ):
        raise UrlError("its host has an invalid format")


def _parameter(pair: str) -> tuple[str, str]:
    found = _PARAMETER.fullmatch(pair)
    if found is None:
        raise UrlError("its query has an invalid format")
    value = unquote_to_bytes(found["value"]).decode("ascii", errors="replace")
    if not _PRINTABLE.fullmatch(value):
        raise UrlError(f"its parameter {found['name']} has an invalid value")
    return found["name"], value
