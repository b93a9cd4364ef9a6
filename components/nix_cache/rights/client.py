"""What trials need of a client of S3, and how they read an answer. Pure."""

import re
from collections.abc import Mapping
from typing import Protocol

_CODE = re.compile(rb"<Code>([A-Za-z0-9]+)</Code>")
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*(?:<!doctype\s+html|<html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_HEAD_BYTES = 4096


class Response(Protocol):
    """A complete answer. As text, it is its status and its code."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name, in any letter case."""

    @property
    def body(self) -> bytes:
        """As it was received."""

    @property
    def code(self) -> str:
        """The storage's code of an error, such as ``AccessDenied``; empty without one."""

    @property
    def is_stranger(self) -> bool:
        """Whether the credential itself was not accepted."""

    @property
    def is_refusal(self) -> bool:
        """Whether the status is that of a missing right."""


class Client(Protocol):
    """A way into a bucket, as one user or without a credential."""

    def request(
        self,
        method: str,
        key: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Send one request, and return the answer whatever it is.

        Args:
            method: of HTTP.
            key: the object; the bucket itself if empty.
            query: what follows the question mark, encoded.
            headers: to send along.
            body: to send along.
        """


def error_code(body: bytes) -> str:
    """Return the storage's code in an error document; empty without one."""
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def is_page_content(content: bytes) -> bool:
    """Return whether the content of an object is a web page."""
    return _PAGE.match(content[:_HEAD_BYTES]) is not None
