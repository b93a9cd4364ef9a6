"""Lists a cache's bucket, and reads what is in it."""

import itertools
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import TypeVar

from nix_cache.cli.inventory.columns import Columns, joined, taken
from nix_cache.cli.inventory.listing import Listing
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.parsed import parsed_narinfos
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.versions import Versioning, versioning
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.narinfo import Narinfo

_Kept = TypeVar("_Kept")


class BucketReader:
    """Lists a bucket, and reads what is in it.

    Args:
        manifest: the cache.
        client: of the bucket.
        profile: whose credential the client has, for messages.
        jobs: how many requests there are at a time.
    """

    def __init__(self, manifest: Manifest, client: S3Client, profile: str, jobs: int) -> None:
        self.report: Callable[[str], None] = lambda _: None
        """Called with what is being done."""
        self._client = client
        self._jobs = jobs
        self._listing = Listing(client, manifest.bucket, jobs)
        self._owner = Requester(profile, manifest.endpoint, manifest.bucket)

    def has(self, key: str) -> bool:
        """Return whether an object is there.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained(f"read {key}"):
            return self._client.head(key) is not None

    def absent(self, keys: Collection[str]) -> set[str]:
        """Return those of some objects that are not there.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        answers = in_parallel(self.has, sorted(keys), self._jobs)
        return {key for key, is_there in answers if not is_there}

    def objects(self, prefix: str = "") -> Iterator[Stored]:
        """List objects whose keys begin with a prefix; without one, those outside of folders.

        Raises:
            ClientError: the storage refused, or the list is not whole.
        """
        return itertools.chain.from_iterable(self._listed(prefix, list))

    def sizes(self, prefix: str) -> Iterator[int]:
        """List objects as ``objects`` does, and yield their sizes in bytes.

        Raises:
            ClientError: the storage refused, or the list is not whole.
        """
        pages = self._listed(prefix, lambda page: array("Q", (stored.size for stored in page)))
        return itertools.chain.from_iterable(pages)

    def packed(
        self, prefix: str, fits: Callable[[str], bool]
    ) -> tuple[PackedObjects, list[Stored]]:
        """List objects as ``objects`` does, in little memory.

        Args:
            prefix: what keys begin with.
            fits: returns whether an object with a key is among the many.

        Returns:
            the many, and the others.

        Raises:
            ClientError: the storage refused, or the list is not whole.
        """
        others: list[Stored] = []

        def kept(page: list[Stored]) -> Columns:
            page = sorted(page, key=attrgetter("key"))
            others.extend(stored for stored in page if not fits(stored.key))
            return Columns.of([(stored.key, stored) for stored in page if fits(stored.key)])

        return PackedObjects(joined(taken(self._listed(prefix, kept))), common=prefix), others

    def parsed(self, listed: Iterable[Stored]) -> Iterator[tuple[Stored, Narinfo | str]]:
        """Read narinfos with all their fields, as ``parsed_narinfos`` does.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained("read narinfos"):
            yield from parsed_narinfos(self._client, listed, self._jobs)

    def versioning(self) -> Versioning:
        """Return whether the bucket keeps deleted and replaced objects.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained("read whether the bucket keeps versions"):
            return versioning(self._client)

    def _listed(self, prefix: str, keep: Callable[[list[Stored]], _Kept]) -> list[_Kept]:
        def report(count: int) -> None:
            self._report(f"listed {count} objects")

        with self._explained("list"):
            return self._listing.objects(prefix, keep, report)

    def _report(self, text: str) -> None:
        self.report(text)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except StorageError as failure:
            raise explain(failure, self._owner, what) from None
