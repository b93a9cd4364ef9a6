"""A complete answer of a storage, and the errors that it may be."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from nix_cache.cli.errors import ClientError

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ENDPOINT = re.compile(rb"<Endpoint>([A-Za-z0-9.:-]{1,255})</Endpoint>")
_UNNAMED = "a place that it does not name"
_LONGEST_REGION = 40


class OversizedError(ClientError):
    """A body is larger than the most that is read of its kind."""


class RedirectedError(ClientError):
    """An endpoint answers with a redirect, which is not followed."""


@dataclass(frozen=True)
class Reply:
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
        target = self.redirect
        if target is None:
            return
        here = origin_of(self.url)
        if region := self.headers.get("x-amz-bucket-region", "")[:_LONGEST_REGION]:
            raise RedirectedError(
                f"the endpoint {here} redirects to {target}: the bucket is in the region {region}",
                f"set the region {region} and its endpoint in the stack, then run `pulumi up` and "
                "`nix-cache use`",
            )
        with contextlib.suppress(ValueError):
            parts = urlsplit(target)
            if parts.netloc and f"{parts.scheme}://{parts.netloc}" != here:
                target = f"{parts.scheme}://{parts.netloc}"
        raise RedirectedError(
            f"the endpoint {here} redirects to {target}",
            "set that URL as the endpoint in the stack, then run `pulumi up` and `nix-cache use`",
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
