"""Reads objects that are never replaced, each of them once."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError

_MISSING = 404
_Read = TypeVar("_Read")


class OnceReader(Generic[_Read]):
    """Reads objects, several at a time, and remembers what they are.

    Args:
        client: of the bucket.
        jobs: how many are read at a time.
        parse: returns what an object is, given its content.
        kind: what the objects are, for reports of progress.
    """

    def __init__(
        self, client: S3Client, jobs: int, parse: Callable[[Stored, bytes], _Read], kind: str
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._parse = parse
        self._kind = kind
        self._known: dict[Stored, _Read] = {}

    def read(self, listed: Iterable[Stored], progress: Callable[[str], None]) -> tuple[_Read, ...]:
        """Read objects; those that another collection has just deleted are left out.

        Raises:
            ClientError: what ``parse`` raises.
            StorageError: the storage refused or did not answer.
        """
        objects = list(listed)
        unread = [stored for stored in objects if stored not in self._known]
        for count, (stored, read) in enumerate(in_parallel(self._one, unread, self._jobs), start=1):
            if read is not None:
                self._known[stored] = read
            progress(f"read {count} of {len(unread)} {self._kind}")
        return tuple(self._known[stored] for stored in objects if stored in self._known)

    def _one(self, stored: Stored) -> _Read | None:
        try:
            content = self._client.get(stored.key).body
        except AnsweredError as refusal:
            if refusal.status == _MISSING:
                return None
            raise
        return self._parse(stored, content)
