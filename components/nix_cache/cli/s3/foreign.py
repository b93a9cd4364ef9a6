"""Recognises answers that are not the storage's: redirects, web pages, portals and proxies. Pure.

A signed request, or the absence of a path, must not be judged by the answer of something else.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from nix_cache.cli.s3.causes import Cause
from nix_cache.cli.s3.reply import ForeignAnswerError, Reply, origin_of
from nix_cache.rights.client import is_page_content

_TITLE = re.compile(rb"<title[^>]*>([^<]{1,80})</title>", re.IGNORECASE)
_PLAIN_ON_TLS_PORT = re.compile(
    rb"HTTP request (?:was sent )?to (?:an )?HTTPS (?:server|port)", re.I
)
_HEAD_BYTES = 4096
_CHECK_URL = (
    "open it in a browser: it may be a parked domain, a login page, or a proxy; then correct the "
    "URL or endpoint"
)


class HasBody(Protocol):
    """A complete answer."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name."""

    @property
    def body(self) -> bytes:
        """As it was received."""


def require_own(reply: Reply, method: str, *, may_be_page: bool = False) -> None:
    """Refuse an answer that is not that of the storage.

    Args:
        reply: the answer.
        method: of the request.
        may_be_page: whether a web page is what was asked for.

    Raises:
        ForeignAnswerError: it is not. A redirect is a ``RedirectedError``.
    """
    if found := foreign_answer(reply, method, may_be_page=may_be_page):
        raise found


def foreign_answer(
    reply: Reply, method: str, *, may_be_page: bool = False
) -> ForeignAnswerError | None:
    """Return what is wrong with an answer that is not that of the storage; None if it is its own.

    Args:
        reply: the answer.
        method: of the request.
        may_be_page: whether a web page is what was asked for.
    """
    if reply.redirect is not None:
        return reply.moved()
    if reply.status < 300 and (may_be_page or not is_page(reply, method)):
        return None
    where = origin_of(reply.url)
    if reply.status == 407:
        return ForeignAnswerError(Cause.PROXY_LOGIN.problem(where, "407"), Cause.PROXY_LOGIN.fix)
    if reply.status == 511:
        return ForeignAnswerError(
            f"the network of this machine requires a login before {where} can be reached (511)",
            "open a browser, log in to the network, and try again",
        )
    if reply.status == 400 and _PLAIN_ON_TLS_PORT.search(reply.body[:_HEAD_BYTES]):
        return ForeignAnswerError(Cause.TLS_EXPECTED.problem(where, ""), Cause.TLS_EXPECTED.fix)
    if may_be_page or not is_page(reply, method):
        return None
    title = _titled(reply.body)
    if reply.status < 300:
        return ForeignAnswerError(f"{where} is a web page{title}, not a binary cache", _CHECK_URL)
    if reply.status in {401, 403}:
        return ForeignAnswerError(
            f"{where} answers {reply.status} with a web page{title}, not as a storage",
            "let the proxy or firewall in front of the storage pass requests to the cache",
        )
    return None


def is_page(answer: HasBody, method: str = "GET") -> bool:
    """Return whether an answer is a web page; that to HEAD if its type says so."""
    if method == "HEAD":
        return answer.status < 300 and _type(answer.headers) == "text/html"
    return is_page_content(answer.body)


def _type(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _titled(body: bytes) -> str:
    found = _TITLE.search(body[:_HEAD_BYTES])
    text = " ".join(found[1].decode(errors="replace").split()) if found else ""
    return f" ({text!r})" if text else ""
