"""The list of a bucket's objects, refused where it cannot be the whole and true one."""

from collections.abc import Callable, Iterator

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.contents import Stored
from nix_cache.cli.s3.answers import Listed, Page
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.listing import checked_pages


def list_objects(
    client: S3Client, bucket: str, progress: Callable[[int], None], *, prefix: str = ""
) -> Iterator[Stored]:
    """List objects: those that begin with a prefix; without one, those outside of folders.

    Args:
        client: of the bucket.
        bucket: the bucket's name.
        progress: called with the number of objects so far.
        prefix: what keys begin with.

    Raises:
        ClientError: the list is not whole, or is not one of this bucket. What was listed until
            then must not be used.
        StorageError: the storage refused or did not answer.
    """
    pages = client.pages(prefix=prefix, delimiter="" if prefix else "/")
    checked = checked_pages(pages, bucket)
    count = 0
    for page in checked:
        seen: set[str] = set()  # names increase from page to page, not always within one
        _require_count(page, bucket)
        for entry in page.objects:
            stored = _stored(entry, bucket)
            if not stored.key.startswith(prefix) or (not prefix and "/" in stored.key):
                raise _wrong(bucket, f"has {stored.key!r}, which was not asked for")
            if stored.key in seen:
                raise _wrong(bucket, f"has {stored.key!r} twice")
            seen.add(stored.key)
            count += 1
            yield stored
        progress(count)


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
