"""The pages of a bucket's listing, as S3's ListObjectsV2 gives them, with an end. Pure."""

import time
from collections.abc import Callable, Iterable, Iterator

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import (
    EMPTY_PAGES,
    LISTED_OBJECTS,
    LISTED_OBJECTS_VARIABLE,
    LISTING_SECONDS,
    listed_objects,
)
from nix_cache.cli.s3.answers import Page

_FIX = "check the endpoint: what answers there does not list a bucket as S3 does"


def checked_pages(
    pages: Iterable[Page],
    bucket: str,
    *,
    most_objects: int | None = None,
    most_empty_pages: int = EMPTY_PAGES,
    most_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Page]:
    """Pass on the pages of a listing until its end.

    Args:
        pages: as they come.
        bucket: the bucket's name, for messages.
        most_objects: the most objects that a listing may have; the limit of the client if None.
        most_empty_pages: the most pages in a row that may name nothing.
        most_seconds: the longest time that a listing may take; the limit of the client if None.
        clock: the time in seconds.

    Raises:
        ClientError: the listing repeats itself, is too large, takes too long, or stops before its
            end. What was passed on until then is not the whole list.
    """
    most_objects = listed_objects() if most_objects is None else most_objects
    if most_seconds is None:
        most_seconds = LISTING_SECONDS * max(1.0, most_objects / LISTED_OBJECTS)
    end = clock() + most_seconds
    last, count, empty, is_truncated = b"", 0, 0, False
    for page in pages:
        # Names increase from page to page, so a storage that starts over is found at once.
        names = sorted(_names(page))
        is_truncated = page.is_truncated
        if count and names and names[0] <= last:
            raise _broken(bucket, f"repeats itself after {count} objects")
        last = names[-1] if names else last
        count += len(names)
        empty = 0 if names else empty + 1
        if count > most_objects:
            raise ClientError(
                f"the listing of the bucket {bucket} has more than {most_objects:,} objects",
                f"if it is so large, set {LISTED_OBJECTS_VARIABLE} to a larger number",
            )
        if empty > most_empty_pages:
            raise _broken(bucket, f"has more than {most_empty_pages} empty pages in a row")
        if is_truncated and clock() > end:
            raise _broken(bucket, f"is not complete after {most_seconds:.0f} s")
        yield page
    if is_truncated:
        raise _broken(bucket, f"stops after {count} objects, although there are more")


def _names(page: Page) -> Iterator[bytes]:
    """Yield the keys and prefixes of a page, as S3 orders them: by their bytes."""
    for name in (*(listed.key for listed in page.objects), *page.prefixes):
        yield name.encode(errors="surrogatepass")


def _broken(bucket: str, problem: str) -> ClientError:
    return ClientError(f"the listing of the bucket {bucket} {problem}", _FIX)
