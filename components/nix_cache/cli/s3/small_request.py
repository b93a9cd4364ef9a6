"""Requests that read or write something small, and how the first try of one failed."""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.reply import Reply

_OF_SIGNATURE = frozenset({"authorization", "x-amz-date", "x-amz-security-token"})

_Tag = TypeVar("_Tag")


class SmallRequest(NamedTuple, Generic[_Tag]):
    """A request that reads or writes something small.

    Attributes:
        tag: by which the caller knows it.
        url: of the object.
        headers: all that are needed, such as a signature.
        kind: what is expected, which limits the size of the answer.
        method: of HTTP.
        body: what is sent along.
    """

    tag: _Tag
    url: str
    headers: Mapping[str, str]
    kind: LimitKind
    method: str = "GET"
    body: bytes = b""


class FailedTry(NamedTuple):
    """How the first try of a request failed.

    Attributes:
        started: when it began.
        reason: why, or the answer of a busy storage; None if it has to be read in another way.
    """

    started: float
    reason: Exception | Reply | None


class FirstTries:
    """First tries that failed, until the same request is continued in another way."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[dict[str, str], FailedTry]] = {}

    def keep(self, request: SmallRequest[Any], failed: FailedTry) -> None:
        """Keep how a request failed."""
        self._kept[request.method, request.url] = _without_signature(request.headers), failed

    def take(self, method: str, url: str, headers: Mapping[str, str]) -> FailedTry | None:
        """Return how the first try of a request failed, once; None if it was not sent.

        Another request for the same object, such as one with another condition, was not.

        Args:
            method: of HTTP.
            url: with its query, encoded.
            headers: all that are sent.
        """
        if (found := self._kept.pop((method, url), None)) is None:
            return None
        sent, failed = found
        return failed if sent == _without_signature(headers) else None


def _without_signature(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are the same whenever a request is signed."""
    return {name: value for name, value in headers.items() if name.lower() not in _OF_SIGNATURE}
