"""An object of a probe: removed at the end with all its versions, also after an error."""

import contextlib
from types import TracebackType
from typing import Self, TypeVar

from nix_cache.rights.client import Client, Response

_VERSION = "x-amz-version-id"
_MOST_VERSIONS = 10
"""Versions that are removed although no answer named them: more than one probe can make."""

_Answer = TypeVar("_Answer", bound=Response)


class ProbeObject:
    """An object under a name that nothing else has, for as long as a probe needs it.

    Args:
        owner: removes it.
        key: its key.

    Attributes:
        left: what could not be removed; known at the end.
    """

    def __init__(self, owner: Client, key: str) -> None:
        self.left: tuple[str, ...] = ()
        self._owner = owner
        self._key = key
        self._versions: set[str] = set()

    def answered(self, answer: _Answer) -> _Answer:
        """Return the answer to a request that may have made a version or a delete marker."""
        self._versions.add(answer.headers.get(_VERSION, ""))
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            with contextlib.suppress(Exception):  # the first error is the one to report
                self._remove()
            return
        try:
            self._remove()
        except Exception:  # without an answer to one request, the object would stay
            self._remove()

    def _remove(self) -> None:
        owner, key = self._owner, self._key
        self.answered(owner.request("DELETE", key))
        # "null" is the version of a bucket that once kept versions and does not any more.
        for version in sorted(self._versions - {""}):
            owner.request("DELETE", key, query=f"versionId={version}")
        for _ in range(_MOST_VERSIONS):
            present = owner.request("GET", key)
            if present.status != 200:
                return
            version = present.headers.get(_VERSION, "")
            owner.request("DELETE", key, query=f"versionId={version}" if version else "")
        self.left = (key,)
