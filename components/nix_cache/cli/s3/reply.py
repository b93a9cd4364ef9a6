"""A complete answer of a storage, and the errors that it may be."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.errors import UnansweredError
from nix_cache.rights.client import error_code

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ENDPOINT = re.compile(rb"<Endpoint>([A-Za-z0-9.:-]{1,255})</Endpoint>")
_UNNAMED = "a place that it does not name"
_LONGEST_REGION = 40
_SET_ENDPOINT = (
    "set that URL as the endpoint in the stack, then run `pulumi up` and `nix-cache use`"
)


class OversizedError(ClientError):
    """A body is larger than the most that is read of its kind."""


class ForeignAnswerError(UnansweredError):
    """Something else answers in place of the storage, such as a login page."""


class RedirectedError(ForeignAnswerError):
    """An endpoint answers with a redirect, which is not followed."""


class Reply(NamedTuple):
    """A complete answer.

    Attributes:
        url: what was asked for.
        status: the HTTP status.
        headers: by name, in any letter case.
        body: as it was received, with its Content-Encoding; of an error, cut at ``ERROR_BYTES``.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The storage's own word for an error, such as ``AccessDenied``; empty without one."""
        return error_code(self.body)

    @property
    def redirect(self) -> str | None:
        """Where it redirects to; None if it is not a redirect.

        AWS names no URL: its XML has the endpoint of the bucket's region.
        """
        if self.status not in _REDIRECTS:
            return None
        location = self.headers.get("Location", "")
        if not location:
            found = _ENDPOINT.search(self.body)
            host = found[1].decode() if found else ""
            return f"{urlsplit(self.url).scheme}://{host}" if host else _UNNAMED
        try:
            return urljoin(self.url, location)
        except ValueError:
            return "an invalid URL"

    def require_no_redirect(self) -> None:
        """Refuse a redirect: a signature is not valid elsewhere, and data stays at the given URL.

        Raises:
            RedirectedError: it is one.
        """
        if found := self.moved():
            raise found

    def moved(self) -> RedirectedError | None:
        """Return the error that a redirect is; None if it is not a redirect."""
        target = self.redirect
        if target is None:
            return None
        here = origin_of(self.url)
        if region := self.headers.get("x-amz-bucket-region", "")[:_LONGEST_REGION]:
            return RedirectedError(
                f"the endpoint {here} redirects to {target}: the bucket is in the region {region}",
                f"set the region {region} and its endpoint in the stack, then run `pulumi up` and "
                "`nix-cache use`",
            )
        return RedirectedError(*_moved(self.url, here, target))


def _moved(url: str, here: str, target: str) -> tuple[str, str]:
    """Return the problem and the fix of a redirect.

    Args:
        url: what was asked for.
        here: the origin of that.
        target: where it redirects to, in words if that is not a URL.
    """
    try:
        asked, parts = urlsplit(url), urlsplit(target)
    except ValueError:
        asked = parts = urlsplit("")
    if target == url:
        return (
            f"the endpoint {here} redirects to itself",
            "correct the server or the proxy in front of it; both may add TLS for the other",
        )
    if not parts.netloc:
        return f"the endpoint {here} redirects to {target}", _SET_ENDPOINT
    origin = f"{parts.scheme}://{parts.netloc}"
    path, wanted = parts.path.rstrip("/"), asked.path.rstrip("/")
    if not path or path.endswith(wanted):
        prefix = path.removesuffix(wanted) if path else ""
        return f"the endpoint {here} redirects to {origin}{prefix}", _SET_ENDPOINT
    return (
        f"the endpoint {here} redirects to {origin}, to another page than was asked for",
        "if that is a login page, let requests to the cache pass without it; if the cache has "
        f"moved, {_SET_ENDPOINT}",
    )


def oversized(url: str, kind: LimitKind) -> OversizedError:
    """Return the error that a body is larger than its kind may be.

    Args:
        url: what was asked for.
        kind: what was expected.
    """
    return OversizedError(
        f"{urlsplit(url).path} is larger than {kind.most_bytes:,} bytes, the most that is read of "
        f"a {kind.name}",
        "look at that object, and delete it if it is not what its name says",
    )


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL.

    Raises:
        ClientError: it is not a URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as mistake:
        raise ClientError(f"{url} is not a valid URL: {mistake}", "correct it") from None
    return f"{parts.scheme}://{parts.netloc}"
