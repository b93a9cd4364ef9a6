"""Narinfos that several clients may change at the same time: no client's signature is lost.

The same goes for realisations and debug info entries, whose content is JSON.

A change is written only if the narinfo is still what it was made from: by a conditional request
where the service has them, else by reading it right before and right after.
``docs/reference/cache-protocol.md`` describes what remains possible on such a service.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TypeVar

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import NARINFO_BYTES, TooLargeError
from nix_cache.cli.s3 import conditional
from nix_cache.cli.s3.client import S3Client, SmallPut
from nix_cache.cli.s3.clock import http_date
from nix_cache.cli.s3.conditional import LOST
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import (
    AnsweredError,
    BusyError,
    RefusedError,
    StorageError,
    UnusableKeyError,
)
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.reply import OversizedError
from nix_cache.cli.s3.retry import retry
from nix_cache.formats.cache_object import JSON_TYPE
from nix_cache.formats.narinfo_writer import CONTENT_TYPE

_ROUNDS = 20
"""How often a narinfo is read again because another client changed it."""

_MOST_UNCHANGED = 3
"""Refused changes of a narinfo that is still as it was, or still missing. Conditions cannot be used
then."""

_DENIED, _MISSING, _CHANGED = 403, 404, 412
_NEVER = '"00000000000000000000000000000000"'
"""An ETag that no object has."""

_IS_NEW = {"If-None-Match": "*"}

_Result = TypeVar("_Result")
_Tag = TypeVar("_Tag")


class UnreadableNarinfoError(Exception):
    """An object is there and cannot be read. The message is a clause without a subject."""


def unreadable_error(who: Requester, which: str, refusal: AnsweredError) -> ClientError:
    """Return the error to raise if a writer may not read a narinfo that is there.

    Args:
        who: the writer.
        which: the narinfo, such as ``the narinfo that it just put``.
        refusal: what the storage answered.
    """
    return ClientError(
        f"the storage at {who.endpoint} refuses {who.name} to read {which} ({refusal}), so every "
        "push would upload everything again; the rest was not uploaded",
        f"allow {who.name} s3:GetObject on all objects of the bucket {who.bucket}: run "
        "`nix-cache stack repair`, or correct the policy",
    )


class Conditions(Enum):
    """Whether a service writes an object only under a condition."""

    UNKNOWN = auto()
    KEPT = auto()
    IGNORED = auto()
    """It overlooks conditions, or refuses requests that have one."""


@dataclass(frozen=True)
class Version:
    """A narinfo as it was read.

    Attributes:
        content: what it states, without a Content-Encoding.
        etag: another one for each content; empty if the service states none.
        written: when, by the storage's clock; None if that is not stated.
    """

    content: bytes
    etag: str
    written: datetime | None


Make = Callable[[bytes | None], bytes | None]
"""Returns what a narinfo is to be, given what it is; None if it is to stay, or is not to be there.
Given its own result, it returns the same."""


class Narinfos:
    """The narinfos of a cache, to be read and changed by several threads; also its realisations.

    Args:
        client: of the bucket.
        who: who sends the requests, for messages.
        report: called with a text before something is tried again.
    """

    def __init__(self, client: S3Client, who: Requester, report: Callable[[str], None]) -> None:
        self._client = client
        self._who = who
        self._report = report
        self._lock = threading.Lock()
        self._conditions = Conditions.UNKNOWN
        self._unprotected: dict[str, Make] = {}

    def read(self, key: str) -> Version | None:
        """Read a narinfo; None if it is not there.

        Raises:
            UnreadableNarinfoError: it is too large, or its Content-Encoding cannot be undone.
            ClientError: the storage refused or did not answer.
        """
        return self._read(key)

    def _read(self, key: str, *, is_there: bool = False) -> Version | None:
        try:
            answer = self._tried(lambda: self._found(key, is_there=is_there))
            if answer is None:
                return None
            encoding = answer.headers.get("Content-Encoding")
            content = decoded(answer.body, encoding, NARINFO_BYTES)
        except OversizedError:
            raise UnreadableNarinfoError(str(TooLargeError(NARINFO_BYTES))) from None
        except (EncodingError, TooLargeError) as mistake:
            raise UnreadableNarinfoError(str(mistake)) from None
        etag = answer.headers.get("ETag", "").strip().removeprefix("W/")
        return Version(content, etag, http_date(answer.headers.get("Last-Modified")))

    @property
    def is_protected(self) -> bool:
        """Whether the service is known to write a narinfo only under a condition."""
        return self._conditions is Conditions.KEPT

    @staticmethod
    def small_put(key: str, content: bytes, tag: _Tag) -> SmallPut[_Tag]:
        """Return the first request by which ``change`` writes a new narinfo on such a service.

        Args:
            key: of the narinfo.
            content: what it is to be.
            tag: of the request.
        """
        return SmallPut(tag, key, content, conditional.headers(_content_type(key), _IS_NEW))

    def change(self, key: str, make: Make, *, is_new: bool = False) -> bytes | None:
        """Change a narinfo, and keep what other clients change of it at the same time.

        Args:
            key: of the narinfo.
            make: what it is to be.
            is_new: whether it was not there when that was asked last.

        Returns:
            what is there now; None if nothing is.

        Raises:
            ClientError: the storage refused or did not answer, the writer may not read what is
                there, or other clients change it all the time.
        """
        seen = None if is_new else self._readable(key)
        unchanged = hidden = 0
        for _ in range(_ROUNDS):
            wanted = make(seen.content if seen else None)
            if wanted is None or (seen is not None and wanted == seen.content):
                return seen.content if seen else None
            status = self._put(key, wanted, seen)
            if status not in LOST:
                if self._conditions is not Conditions.IGNORED or (is_new and seen is None):
                    return wanted
                with self._lock:
                    self._unprotected[key] = make
            is_hidden = seen is None and status == _CHANGED
            hidden += is_hidden
            # A collection may have deleted it since, and a storage answers some writers that what
            # is missing is forbidden: only several such answers show that it cannot be read.
            before, seen = (
                seen,
                self._readable(key, is_there=is_hidden and hidden >= _MOST_UNCHANGED),
            )
            unchanged += before == seen and (before is not None or is_hidden)
            # A proxy may alter ETags, and a storage may take the delete marker of a version for an
            # object (rustfs/rustfs#1686).
            if unchanged == _MOST_UNCHANGED:
                self._conditions = Conditions.IGNORED
        raise BusyError(f"other clients change {key} all the time", "try again later")

    def settle(self, wait_seconds: float, sleep: Callable[[float], None] = time.sleep) -> int:
        """Make the changes again that another client overwrote with what it had read before.

        That is possible only on a service that does not keep conditions.

        Args:
            wait_seconds: how long another client may take from reading a narinfo to writing it.
            sleep: waits some seconds.

        Returns:
            how many changes were lost, and are made again.
        """
        repeated = 0
        while self._unprotected:
            sleep(wait_seconds)
            with self._lock:
                left, self._unprotected = self._unprotected, {}
            for key, make in left.items():
                before = self._readable(key)
                if before is not None and make(before.content) not in {None, before.content}:
                    repeated += 1
                    self.change(key, make)
        return repeated

    @property
    def needs_settling(self) -> bool:
        """Whether something was changed on a service that does not keep conditions."""
        return bool(self._unprotected)

    def _readable(self, key: str, *, is_there: bool = False) -> Version | None:
        """Read a narinfo; one that cannot be read has no content, and is replaced."""
        try:
            return self._read(key, is_there=is_there)
        except UnreadableNarinfoError:
            head = self._tried(lambda: self._client.head(key))
            return Version(b"", head.headers.get("ETag", "") if head else "", None)

    def _found(self, key: str, *, is_there: bool) -> Answer | None:
        """Read an object; None if it is not there.

        A storage answers a writer, who may not list, that a missing object is forbidden. The
        bucket's owner lists what they read, so that a refusal is one.
        """
        try:
            return self._client.get(key, may_be_page=True)
        except UnusableKeyError:
            raise UnreadableNarinfoError(
                "has a segment '.' or '..' in its key, which clients and servers resolve "
                "differently"
            ) from None
        except AnsweredError as refusal:
            if refusal.code not in {"NoSuchKey", "AccessDenied", str(refusal.status)}:
                raise
            if refusal.status == _MISSING:
                return None
            if refusal.status != _DENIED or not self._who.is_writer:
                raise
            if is_there:
                raise unreadable_error(self._who, f"{key}, which is there", refusal) from None
            return None

    def _put(self, key: str, content: bytes, seen: Version | None) -> int:
        """Write a narinfo if it is still as it was seen; returns the status, as of a condition."""
        condition = _IS_NEW if seen is None else {"If-Match": seen.etag}
        if self._conditions is Conditions.IGNORED or (seen is not None and not seen.etag):
            return self._put_unprotected(key, content, seen)
        is_unknown = self._conditions is Conditions.UNKNOWN
        if is_unknown and seen is None and self._readable(key) is not None:
            return _CHANGED
        status = self._answered(key, content, condition)
        if status is None:
            self._learn(Conditions.IGNORED)
            return self._put_unprotected(key, content, seen)
        if is_unknown and status not in LOST:
            # The same content once more, under a condition that does not hold: no harm if it is
            # overlooked.
            try:
                is_kept = self._answered(key, content, {"If-Match": _NEVER}) in LOST
            except RefusedError:  # S3 wants the right to read for this; the next read reports it
                return status
            self._learn(Conditions.KEPT if is_kept else Conditions.IGNORED)
        return status

    def _put_unprotected(self, key: str, content: bytes, seen: Version | None) -> int:
        now = self._readable(key)
        if (now and now.content) != (seen and seen.content):
            return _CHANGED
        self._tried(lambda: self._client.put(key, content, _content_type(key)))
        return 200

    def _answered(self, key: str, content: bytes, condition: dict[str, str]) -> int | None:
        """Write under a condition.

        Returns:
            the status that says whether it was done; None if the service refuses conditions.
        """
        kind = _content_type(key)
        return self._tried(lambda: conditional.put(self._client, key, content, kind, condition))

    def _learn(self, conditions: Conditions) -> None:
        with self._lock:
            if self._conditions is Conditions.UNKNOWN:
                self._conditions = conditions

    def _tried(self, work: Callable[[], _Result]) -> _Result:
        def explained() -> _Result:
            try:
                return work()
            except StorageError as failure:
                raise explain(failure, self._who, "read and write narinfos") from None

        return retry(explained, self._report)


def _content_type(key: str) -> str:
    return CONTENT_TYPE if key.endswith(".narinfo") else JSON_TYPE
