"""Deletes objects and versions of a cache's bucket, many at a time."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.s3.client import S3Client

_BATCH = 1000
"""The most keys that S3's DeleteObjects takes."""


@dataclass(frozen=True)
class Deletions:
    """Deletes what may go.

    Attributes:
        client: of the bucket.
        owner: who deletes, for messages.
        bucket: the bucket's name, for messages.
        explained: given what is done, turns errors of the storage into those of the client.
        before_each: called with what is being done, before each request. It raises if this
            collection may not go on.
    """

    client: S3Client
    owner: str
    bucket: str
    explained: Callable[[str], AbstractContextManager[None]]
    before_each: Callable[[str], None]

    def delete(
        self,
        objects: Iterable[str | tuple[str, str]],
        may_go: Callable[[str], bool],
        count: int | None = None,
    ) -> int:
        """Delete objects, in this order.

        Args:
            objects: their keys, or keys with the ids of versions.
            may_go: returns whether an object with a key may be deleted.
            count: how many there are, for reports; None if ``objects`` is to be counted.

        Returns:
            how many of them the storage only hides, as it keeps old versions.

        Raises:
            ClientError: the storage refused some.
        """
        if count is None:
            objects = list(objects)
            count = len(objects)
        hidden = 0
        rest = iter(objects)
        for start in itertools.count(0, _BATCH):
            batch = list(itertools.islice(rest, _BATCH))
            if not batch:
                return hidden
            for one in batch:
                if not may_go(key := one if isinstance(one, str) else one[0]):
                    raise ValueError(f"{key} is never removed")
            self.before_each(f"removed {start} of {count} objects")
            with self.explained("delete"):
                deleted = self.client.delete(batch)
            if deleted.refused:
                raise self._refusal(deleted.refused)
            hidden += deleted.hidden
        raise AssertionError("counting has no end")

    def _refusal(self, refused: Sequence[tuple[str, str, str]]) -> ClientError:
        key, code, message = refused[0]
        return ClientError(
            f"the storage did not delete {counted(len(refused), 'object')}, such as {key}: "
            f"{code} {message}".rstrip(),
            f"see that the profile {self.owner} may delete in the bucket {self.bucket}, and run it "
            "again: paths that were not deleted may lack others that were",
        )
