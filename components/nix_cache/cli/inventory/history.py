"""A bucket with what it had before: old versions of objects, and their removal for good."""

from collections.abc import Callable, Iterable, Iterator

from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.contents import is_of_paths
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3 import versions
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.cli.s3.errors import AnsweredError

_MISSING = 404
_REPORTED = 1000


class HistoricBucket(Bucket):
    """A cache's bucket with the versions that it keeps. Arguments are those of ``Bucket``."""

    def erase(self, objects: Iterable[str | tuple[str, str]], count: int | None = None) -> int:
        """Remove objects that belong to store paths, or versions of such, in this order.

        Args:
            objects: keys, or keys with the id of a version.
            count: how many there are, for reports; None if ``objects`` is to be counted.

        Returns:
            how many of them the storage only hides, as it keeps old versions.

        Raises:
            ClientError: the storage refused some.
        """
        return self._deletions.delete(objects, is_of_paths, count)

    def contents_of(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Read small objects, several at a time; None for those that are not there.

        Raises:
            ClientError: the storage refused or did not answer.
        """

        def read(key: str) -> bytes | None:
            return _unless_missing(lambda: self._client.get(key, may_be_page=True).body)

        with self._explained("read objects"):
            yield from in_parallel(read, keys, self._jobs)

    def versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """List the versions of objects whose keys begin with a prefix, the newest of a key first.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained("list versions"):
            for count, version in enumerate(versions.versions(self._client, prefix), start=1):
                if count % _REPORTED == 0:
                    self._report(f"listed {count:,} versions")
                yield version

    def version_contents(
        self, wanted: Iterable[ObjectVersion]
    ) -> Iterator[tuple[ObjectVersion, bytes | None]]:
        """Read versions of small objects, several at a time; None for those that are gone.

        Raises:
            ClientError: the storage refused or did not answer.
        """

        def read(version: ObjectVersion) -> bytes | None:
            return _unless_missing(lambda: versions.content(self._client, version))

        with self._explained("read versions"):
            yield from in_parallel(read, wanted, self._jobs)


def _unless_missing(read: Callable[[], bytes]) -> bytes | None:
    try:
        return read()
    except AnsweredError as refusal:
        if refusal.status == _MISSING:
            return None
        raise
