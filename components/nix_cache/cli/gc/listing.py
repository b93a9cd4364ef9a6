"""The list of a bucket's objects, refused where it cannot be the whole and true one."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from nix_cache.cli.errors import ClientError
from nix_cache.cli.gc.contents import Stored
from nix_cache.cli.s3.clock import http_date, iso_date
from nix_cache.cli.s3.listing import checked_pages

_DATE = re.compile(rb"(?<=<LastModified>)[^<]*")
_NO_DATE = b"1970-01-01T00:00:00Z"


def watch_dates(s3: Any) -> None:
    """Make a client of S3 take dates that it cannot read for missing ones.

    botocore raises over the date of one object, whatever else is in the listing.
    """
    for operation in ("ListObjectsV2", "GetObject", "HeadObject"):
        s3.meta.events.register(f"before-parse.s3.{operation}", _without_odd_dates)


def list_objects(
    s3: Any, bucket: str, progress: Callable[[int], None], *, prefix: str = ""
) -> Iterator[Stored]:
    """List objects: those that begin with a prefix; without one, those outside of folders.

    Args:
        s3: the client, watched for dates.
        bucket: the bucket's name.
        progress: called with the number of objects so far.
        prefix: what keys begin with.

    Raises:
        ClientError: the list is not whole, or is not one of this bucket. What was listed until
            then must not be used.
        StorageError, BotoCoreError: the storage refused or did not answer.
    """
    which = {"Prefix": prefix} if prefix else {"Delimiter": "/"}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **which)
    checked = checked_pages(pages, bucket)
    count = 0
    for page in checked:
        seen: set[str] = set()  # names increase from page to page, not always within one
        entries = page.get("Contents", [])
        _require_count(page, bucket)
        for entry in entries:
            stored = _stored(entry, bucket)
            if not stored.key.startswith(prefix) or (not prefix and "/" in stored.key):
                raise _wrong(bucket, f"has {stored.key!r}, which was not asked for")
            if stored.key in seen:
                raise _wrong(bucket, f"has {stored.key!r} twice")
            seen.add(stored.key)
            count += 1
            yield stored
        progress(count)


def _stored(entry: dict[str, Any], bucket: str) -> Stored:
    key, size = entry.get("Key"), entry.get("Size")
    if not isinstance(key, str) or not key:
        raise _wrong(bucket, "has an object without a key")
    if not isinstance(size, int) or size < 0:
        raise _wrong(bucket, f"states no size of {key!r}")
    written = entry.get("LastModified")
    return Stored(
        key, size, iso_date(written.isoformat()) if written else None, entry.get("ETag") or ""
    )


def _require_count(page: dict[str, Any], bucket: str) -> None:
    """Compare the storage's own count. Some count prefixes, some do not."""
    stated, found = page.get("KeyCount"), len(page.get("Contents", []))
    most = found + len(page.get("CommonPrefixes", []))
    if stated is not None and stated > most:
        raise _wrong(bucket, f"states {stated} objects on a page, and has {most}")


def _wrong(bucket: str, problem: str) -> ClientError:
    return ClientError(
        f"the listing of the bucket {bucket} {problem}; nothing was removed",
        "check the endpoint: what answers there does not list a bucket as S3 does",
    )


def _without_odd_dates(response_dict: dict[str, Any], **_: Any) -> None:
    body = response_dict.get("body")
    if isinstance(body, bytes) and b"<LastModified>" in body:
        response_dict["body"] = _DATE.sub(_usable_or_none, body)
    headers = response_dict.get("headers", {})
    for name in [name for name in headers if name.lower() in {"last-modified", "expires"}]:
        if http_date(headers[name]) is None:
            del headers[name]


def _usable_or_none(date: re.Match[bytes]) -> bytes:
    return date[0] if iso_date(date[0].decode("ascii", "replace")) else _NO_DATE
