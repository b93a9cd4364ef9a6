"""Reads objects that are never replaced, each of them once."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from nix_cache.cli.errors import ClientError
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

    def read(
        self,
        listed: Iterable[Stored],
        list_again: Callable[[], Iterable[Stored]],
        progress: Callable[[str], None],
    ) -> tuple[_Read, ...]:
        """Read objects; those that another collection has just deleted are left out.

        Args:
            listed: the objects.
            list_again: lists them again. It is called if one is missing.
            progress: called with what is being done.

        Raises:
            ClientError: one is listed and cannot be found, or what ``parse`` raises.
            StorageError: the storage refused or did not answer.
        """
        objects = list(listed)
        unread = [stored for stored in objects if stored not in self._known]
        for count, (stored, read) in enumerate(in_parallel(self._one, unread, self._jobs), start=1):
            if read is not None:
                self._known[stored] = read
            progress(f"read {count} of {len(unread)} {self._kind}")
        if missing := {stored.key for stored in objects if stored not in self._known}:
            _require_gone(missing, list_again())
        return tuple(self._known[stored] for stored in objects if stored in self._known)

    def _one(self, stored: Stored) -> _Read | None:
        try:
            content = self._client.get(stored.key).body
        except AnsweredError as refusal:
            if refusal.status == _MISSING:
                return None
            raise
        return self._parse(stored, content)


def _require_gone(missing: set[str], listed: Iterable[Stored]) -> None:
    """Make sure that objects that could not be found are not listed any more."""
    if present := missing.intersection(stored.key for stored in listed):
        raise ClientError(
            f"{min(present)} is answered as missing (404), although it is listed, so what it "
            "keeps is not known; nothing more was removed",
            "run it again; if it happens again, the storage or a proxy in front of it is faulty",
        )
