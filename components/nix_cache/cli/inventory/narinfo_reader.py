"""Reads the narinfos of a bucket, and separates those that were read from those that cannot be."""

from collections.abc import Callable, Mapping

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory import reading
from nix_cache.cli.inventory.contents import Entry, Stored
from nix_cache.cli.inventory.reading import Received
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError, StorageError
from nix_cache.cli.s3.reply import ForeignAnswerError, OversizedError

_MISSING = 404
_MANY_FAILURES = 20
"""After so many narinfos that cannot be read, the storage itself may have failed."""


class _ChangedError(Exception):
    """An object is not as it was listed. The message is a clause without a subject."""


class NarinfoReader:
    """Reads narinfos, several at a time.

    Args:
        client: of the bucket.
        public_keys: those that readers trust.
        jobs: how many narinfos are read at a time.
        require_storage: called after many failures; raises if the storage itself has failed.
    """

    def __init__(
        self,
        client: S3Client,
        public_keys: tuple[str, ...],
        jobs: int,
        require_storage: Callable[[], object],
    ) -> None:
        self._client = client
        self._public_keys = public_keys
        self._jobs = jobs
        self._require_storage = require_storage

    def read(
        self,
        narinfos: Mapping[str, Stored],
        known: Mapping[str, Entry],
        progress: Callable[[str], None],
    ) -> tuple[dict[str, Entry], dict[str, str]]:
        """Read narinfos as they are listed.

        Args:
            narinfos: by the hash of their store path.
            known: those that were read before.
            progress: called with what is being done.

        Returns:
            the entries, and of narinfos that are not as they were listed, the reason.

        Raises:
            ClientError: the storage itself has failed.
        """
        found = {
            name: known[name]
            for name, stored in narinfos.items()
            if name in known and known[name].stored == stored and _is_settled(known[name])
        }
        unread = [name for name in narinfos if name not in found]
        doubtful: dict[str, str] = {}
        failures = 0
        results = in_parallel(lambda name: self._reading(narinfos[name]), unread, self._jobs)
        for count, (name, result) in enumerate(results, start=1):
            if isinstance(result, Entry):
                found[name] = result
            elif isinstance(result, _ChangedError):
                doubtful[name] = str(result)
            else:
                failures += 1
                found[name] = Entry.unreadable(narinfos[name], _failed(result))
                if failures % _MANY_FAILURES == 0 or failures == len(unread):
                    self._require_storage()
            progress(f"read {count} of {len(unread)} narinfos")
        return found, doubtful

    def _reading(self, stored: Stored) -> Entry | _ChangedError | Exception:
        if fault := reading.too_large(stored):
            return Entry.unreadable(stored, fault)
        try:
            answer = received(self._client, stored.key, stored.size)
        except (StorageError, OversizedError, ForeignAnswerError) as failure:
            if isinstance(failure, AnsweredError) and failure.status == _MISSING:
                return _ChangedError("is answered as missing (404), although it is listed")
            return failure
        if problem := reading.changed(stored, answer):
            return _ChangedError(problem)
        return reading.read(stored, answer, self._public_keys)


def received(client: S3Client, key: str, size: int) -> Received:
    """Return an object as it is stored, and one byte more than its size if there is one."""
    answer = client.get(key, may_be_page=True)
    headers = answer.headers
    return Received(
        answer.body[: size + 1], headers.get("ETag", ""), headers.get("Content-Encoding", "")
    )


def _is_settled(entry: Entry) -> bool:
    """Return whether it is unchanged. One without an ETag may have been replaced."""
    return entry.fault is None and bool(entry.stored.etag)


def _failed(failure: Exception) -> str:
    if isinstance(failure, AnsweredError):
        return f"cannot be read: the storage answers {failure}"
    if isinstance(failure, ClientError):
        return f"cannot be read: {failure.problem}"
    return "cannot be read: the storage's answer is incomplete or malformed"
