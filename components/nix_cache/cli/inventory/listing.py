"""The list of a bucket's objects, refused where it cannot be the whole and true one.

A long list is asked for in parts at the same time: one for each character that names in Nix's
base 32 begin with, and one for each gap between them. Together they hold every key.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.limits import (
    COLLECTED_OBJECTS,
    LISTED_OBJECTS_VARIABLE,
    listed_objects,
)
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.answers import Listed, Page
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.listing import checked_pages
from nix_cache.cli.s3.transport import JOBS
from nix_cache.iam.lifecycle import NIX32

_LAST = "~"
"""The last printable character of ASCII. Keys that go on with a greater one are listed twice, with
the names before the gap and in the gap, and taken once."""

_GAP_NAMES = 10
"""On the first page of a gap, which holds nothing in most buckets."""

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class KeyRange:
    """A part of a listing.

    Attributes:
        prefix: what keys begin with.
        after: keys up to this one, and those that begin with its part before ``~``, are left out;
            empty for none.
        end: this key and greater ones are left out; empty for none.
    """

    prefix: str
    after: str = ""
    end: str = ""

    def holds(self, key: str) -> bool:
        """Return whether a key is in this part."""
        before = self.after.removesuffix(_LAST)
        return (
            key.startswith(self.prefix)
            and (not self.after or (key > self.after and not key.startswith(before)))
            and (not self.end or key < self.end)
        )


def ranges(prefix: str) -> list[KeyRange]:
    """Return parts that hold each key with a prefix once, in the order of keys."""
    found = [KeyRange(prefix, end=prefix + NIX32[0])]
    for here, following in itertools.pairwise(NIX32):
        found.append(KeyRange(prefix + here))
        if ord(following) > ord(here) + 1:
            found.append(KeyRange(prefix, prefix + here + _LAST, prefix + following))
    return [*found, KeyRange(prefix + NIX32[-1]), KeyRange(prefix, prefix + NIX32[-1] + _LAST)]


class _IgnoredRangeError(Exception):
    """A service overlooks where a listing is to begin."""


class Listing:
    """Lists objects of a bucket.

    Args:
        client: of the bucket.
        bucket: the bucket's name.
        jobs: how many parts are listed at a time.
    """

    def __init__(self, client: S3Client, bucket: str, jobs: int) -> None:
        self._client = client
        self._bucket = bucket
        self._jobs = jobs

    def objects(
        self, prefix: str, keep: Callable[[list[Stored]], _Kept], progress: Callable[[int], None]
    ) -> list[_Kept]:
        """List objects: those that begin with a prefix; without one, those outside of folders.

        Args:
            prefix: what keys begin with.
            keep: returns what is kept of the objects on a page; it may run in other threads.
            progress: called with the number of objects so far.

        Returns:
            what is kept of each page; the objects of a page are before those of the next.

        Raises:
            ClientError: the list is not whole, or is not one of this bucket.
            StorageError: the storage refused or did not answer.
        """
        everything = KeyRange(prefix)
        page, _ = self._client.page(prefix=prefix, delimiter=_delimiter(prefix))
        if not page.is_truncated:
            count = _Count(self._bucket)
            found = [keep(self._checked(one, everything)) for one in self._pages([page])]
            count.add(len(page.objects))
            progress(count.objects)
            return found
        try:
            return self._in_parts(ranges(prefix), keep, progress)
        except _IgnoredRangeError:
            return self._in_parts([everything], keep, progress)

    def _in_parts(
        self,
        parts: list[KeyRange],
        keep: Callable[[list[Stored]], _Kept],
        progress: Callable[[int], None],
    ) -> list[_Kept]:
        count = _Count(self._bucket)

        def listed(part: KeyRange) -> list[_Kept]:
            return [keep(page) for page in self._part(part, count)]

        found: dict[KeyRange, list[_Kept]] = {}
        for part, pages in in_parallel(listed, parts, self._jobs):
            found[part] = pages
            progress(count.objects)
        return [page for part in parts for page in found[part]]

    def _part(self, part: KeyRange, count: "_Count") -> Iterator[list[Stored]]:
        is_gap = bool(part.after or part.end)
        pages = self._client.pages(
            prefix=part.prefix,
            # The prefix of a part outside of folders is one character.
            delimiter="" if "/" in part.prefix else "/",
            after=part.after,
            first=_GAP_NAMES if is_gap else 1000,
        )
        for page in self._pages(pages):
            names = [*(entry.key for entry in page.objects), *page.prefixes]
            if part.after and any(name <= part.after for name in names):
                raise _IgnoredRangeError
            objects = self._checked(page, part)
            count.add(len(objects))
            yield objects
            if part.end and any(name >= part.end for name in names):
                return

    def _pages(self, pages: Iterator[Page] | list[Page]) -> Iterator[Page]:
        most = max(COLLECTED_OBJECTS, listed_objects())
        return checked_pages(pages, self._bucket, most_objects=most)

    def _checked(self, page: Page, part: KeyRange) -> list[Stored]:
        """Return the objects on a page that are in a part.

        Raises:
            ClientError: it is not a page of this part.
        """
        _require_count(page, self._bucket)
        outside_folders = "/" not in part.prefix
        seen: set[str] = set()  # names increase from page to page, not always within one
        found = []
        for entry in page.objects:
            stored = _stored(entry, self._bucket)
            key = stored.key
            if not key.startswith(part.prefix) or (outside_folders and "/" in key):
                raise _wrong(self._bucket, f"has {key!r}, which was not asked for")
            if key in seen:
                raise _wrong(self._bucket, f"has {key!r} twice")
            seen.add(key)
            if part.holds(key):
                found.append(stored)
        return found


def list_objects(
    client: S3Client, bucket: str, progress: Callable[[int], None], *, prefix: str = ""
) -> Iterator[Stored]:
    """List objects as ``Listing.objects`` does, and yield them one by one.

    Raises:
        ClientError: the list is not whole, or is not one of this bucket.
        StorageError: the storage refused or did not answer.
    """
    pages = Listing(client, bucket, JOBS).objects(prefix, list, progress)
    return itertools.chain.from_iterable(pages)


class _Count:
    """The objects of all parts of one listing."""

    def __init__(self, bucket: str) -> None:
        self.objects = 0
        self._bucket = bucket
        self._most = max(COLLECTED_OBJECTS, listed_objects())
        self._lock = threading.Lock()

    def add(self, objects: int) -> None:
        """Count some more.

        Raises:
            ClientError: there are more than a listing may have.
        """
        with self._lock:
            self.objects += objects
        if self.objects > self._most:
            raise ClientError(
                f"the listing of the bucket {self._bucket} has more than {self._most:,} objects",
                f"if it is so large, set {LISTED_OBJECTS_VARIABLE} to a larger number",
            )


def _delimiter(prefix: str) -> str:
    return "" if "/" in prefix else "/"


def _stored(entry: Listed, bucket: str) -> Stored:
    if not entry.key:
        raise _wrong(bucket, "has an object without a key")
    if entry.size is None or entry.size < 0:
        raise _wrong(bucket, f"states no size of {entry.key!r}")
    return Stored(entry.key, entry.size, entry.written, entry.etag)


def _require_count(page: Page, bucket: str) -> None:
    """Compare the storage's own count. Some count prefixes, some do not."""
    found = len(page.objects)
    if page.count is not None and page.count > found + len(page.prefixes):
        raise _wrong(bucket, f"states {page.count} objects on a page, and has {found}")


def _wrong(bucket: str, problem: str) -> ClientError:
    return ClientError(
        f"the listing of the bucket {bucket} {problem}; nothing was removed",
        "check the endpoint: what answers there does not list a bucket as S3 does",
    )
