"""Versions of the objects of removed paths: listed without holding them, or held as one text."""

from collections.abc import Collection, Iterator

from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.inventory.keys import Keys
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.formats.narinfo import Narinfo, NarinfoError

ONE_BY_ONE = 100
"""Of more keys, the whole bucket is listed once."""

_END = b"\0"


class HeldVersions:
    """Keys with the ids of versions, in the order in which they were added."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._count = 0

    def add(self, version: ObjectVersion) -> None:
        """Add a version."""
        self._text += version.key.encode() + _END + version.version.encode() + _END
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[str, str]]:
        start = 0
        for _ in range(self._count):
            middle = self._text.index(_END, start)
            end = self._text.index(_END, middle + 1)
            yield self._text[start:middle].decode(), self._text[middle + 1 : end].decode()
            start = end + 1


def versions_of(bucket: HistoricBucket, keys: Collection[str]) -> Iterator[ObjectVersion]:
    """List the versions of some objects, the newest of each key first.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    for prefix in keys if len(keys) <= ONE_BY_ONE else [""]:
        for version in bucket.versions(prefix):
            if version.key == prefix or (not prefix and version.key in keys):
                yield version


def earlier_nars(bucket: HistoricBucket, narinfos: Keys, nars: PackedObjects) -> Keys:
    """Return the keys of the NARs that versions of some narinfos named.

    Args:
        bucket: the cache's.
        narinfos: the keys of these narinfos.
        nars: the NARs that are there.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    wanted = (one for one in versions_of(bucket, narinfos) if not one.is_marker)
    urls = (_url(content) for _, content in bucket.version_contents(wanted))
    return Keys.of(nars, (url for url in urls if url.startswith("nar/")))


def _url(content: bytes | None) -> str:
    try:
        return Narinfo.parse(content or b"").url
    except NarinfoError:
        return ""
