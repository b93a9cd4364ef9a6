"""Reads the narinfos of a bucket, and separates those that were read from those that cannot be."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory import reading
from nix_cache.cli.inventory.narinfos import PackedNarinfos
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.reading import Received
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.stored import Entry, Stored
from nix_cache.cli.machine.pace import Pace
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError, StorageError
from nix_cache.cli.s3.reply import ForeignAnswerError, OversizedError

_MISSING = 404
_MANY_FAILURES = 20
"""After so many narinfos that cannot be read, the storage itself may have failed."""


class _ChangedError(Exception):
    """An object is not as it was listed. The message is a clause without a subject."""


@dataclass(frozen=True)
class _Read:
    """A narinfo that was received as it is listed.

    Attributes:
        entry: what it states.
        is_identified: whether its ETag stands for its content at any time.
    """

    entry: Entry
    is_identified: bool = False


class NarinfoReader:
    """Reads narinfos, several at a time.

    Args:
        client: of the bucket.
        public_keys: those that readers trust.
        jobs: how many narinfos are read at a time.
        require_storage: called after many failures; raises if the storage itself has failed.
        remembered: what earlier runs read on this machine.
    """

    def __init__(
        self,
        client: S3Client,
        public_keys: tuple[str, ...],
        jobs: int,
        require_storage: Callable[[], object],
        remembered: Remembered,
    ) -> None:
        self._client = client
        self._public_keys = public_keys
        self._jobs = jobs
        self._require_storage = require_storage
        self._remembered = remembered

    def read(
        self,
        listed: PackedObjects,
        nars: PackedObjects,
        base: PackedNarinfos | None,
        known: PackedNarinfos | None,
        progress: Callable[[str], None],
    ) -> tuple[PackedNarinfos, dict[str, str]]:
        """Read narinfos as they are listed.

        Args:
            listed: the narinfos.
            nars: the NARs that are listed.
            base: those of the first listing in this run.
            known: those of the latest one.
            progress: called with what is being done.

        Returns:
            the narinfos, and of those that are not as they were listed, the reason.

        Raises:
            ClientError: the storage itself has failed.
        """
        found = PackedNarinfos(listed, nars, base)
        if known is None:
            self._remembered.load(found)
        else:
            _keep_known(found, known)
        unread = array("I", (at for at in found.later if not found.is_read(at)))
        try:
            doubtful = self._read(found, unread, progress)
        except Exception:
            self._remembered.save(found)
            raise
        if unread or known is None:
            self._remembered.save(found)
        return found, doubtful

    def _read(
        self, found: PackedNarinfos, unread: "array[int]", progress: Callable[[str], None]
    ) -> dict[str, str]:
        doubtful: dict[str, str] = {}
        failures = 0
        listed, pace = found.objects, Pace(len(unread))

        def work(number: int) -> "_Read | _ChangedError | Exception":
            return self._reading(listed.stored(number))

        results = in_parallel(work, unread, self._jobs)
        for count, (number, result) in enumerate(results, start=1):
            name = listed.name(number)
            if isinstance(result, _Read):
                found.put(name, result.entry)
                if result.is_identified:
                    found.identify(number)
            elif isinstance(result, _ChangedError):
                doubtful[name] = str(result)
            else:
                failures += 1
                found.put(name, Entry.unreadable(listed.stored(number), _failed(result)))
                if failures % _MANY_FAILURES == 0 or failures == len(unread):
                    self._require_storage()
            progress(pace.words("read", count, "narinfos"))
        return doubtful

    def _reading(self, stored: Stored) -> "_Read | _ChangedError | Exception":
        if fault := reading.too_large(stored):
            return _Read(Entry.unreadable(stored, fault))
        try:
            answer = received(self._client, stored.key, stored.size)
        except (StorageError, OversizedError, ForeignAnswerError) as failure:
            if isinstance(failure, AnsweredError) and failure.status == _MISSING:
                return _ChangedError("is answered as missing (404), although it is listed")
            return failure
        if problem := reading.changed(stored, answer):
            return _ChangedError(problem)
        entry = reading.read(stored, answer, self._public_keys)
        return _Read(entry, entry.fault is None and reading.is_identified(entry, answer))


def received(client: S3Client, key: str, size: int) -> Received:
    """Return an object as it is stored, and one byte more than its size if there is one."""
    answer = client.get(key, may_be_page=True)
    headers = answer.headers
    return Received(
        answer.body[: size + 1], headers.get("ETag", ""), headers.get("Content-Encoding", "")
    )


def _keep_known(found: PackedNarinfos, known: PackedNarinfos) -> None:
    """Add narinfos that are listed as they were in a later listing than the first."""
    for number in found.later:
        before = known.objects.find(found.objects.name(number))
        if before is None or not known.is_settled(before):
            continue
        if found.objects.state(number) == known.objects.state(before):
            url, references = known.statement(before)
            found.put_read(number, references, url)
            if known.is_identified(before):
                found.identify(number)


def _failed(failure: Exception) -> str:
    if isinstance(failure, AnsweredError):
        return f"cannot be read: the storage answers {failure}"
    if isinstance(failure, ClientError):
        return f"cannot be read: {failure.problem}"
    return "cannot be read: the storage's answer is incomplete or malformed"
