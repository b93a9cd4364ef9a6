"""Reads the realisations of a bucket. One that cannot be read stays, and stops nothing."""

from collections.abc import Callable

from nix_cache.cli.inventory import reading
from nix_cache.cli.inventory.narinfo_reader import received
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.limits import NARINFO_BYTES, TooLargeError
from nix_cache.cli.machine.pace import Pace
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.cli.s3.reply import ForeignAnswerError, OversizedError
from nix_cache.formats.realisation import SUFFIX, Realisation


class _UnreadableError(Exception):
    """A realisation cannot be read. The message is a clause without a subject."""


class RealisationReader:
    """Reads realisations, several at a time, and each of them once.

    Args:
        client: of the bucket.
        jobs: how many are read at a time.
        remembered: what earlier runs read on this machine.
    """

    def __init__(self, client: S3Client, jobs: int, remembered: Remembered) -> None:
        self._client = client
        self._jobs = jobs
        self._remembered = remembered
        self._known: PackedRealisations | None = None

    def read(self, found: PackedRealisations, progress: Callable[[str], None]) -> None:
        """Read realisations as they are listed.

        Args:
            found: the realisations, to which is added what they state.
            progress: called with what is being done.

        Raises:
            StorageError: the storage did not answer.
        """
        if self._known is None:
            self._remembered.load(found)
        else:
            _keep_known(found, self._known)
        unread = [at for at in range(len(found)) if not found.is_read(at)]
        try:
            self._read(found, unread, progress)
        finally:
            if unread or self._known is None:
                self._remembered.save(found)
        self._known = found

    def _read(
        self, found: PackedRealisations, unread: list[int], progress: Callable[[str], None]
    ) -> None:
        pace = Pace(len(unread))

        def work(number: int) -> tuple[Realisation, bool] | str:
            try:
                return self._one(found.objects.stored(number))
            except _UnreadableError as fault:
                return str(fault)

        for count, (number, one) in enumerate(in_parallel(work, unread, self._jobs), start=1):
            if isinstance(one, str):
                found.faults[number] = one
            else:
                realisation, is_identified = one
                needed = [key.removesuffix(SUFFIX) for key in realisation.needed]
                found.put_read(number, needed, realisation.out_path[:32])
                if is_identified:
                    found.identify(number)
            progress(pace.words("read", count, "realisations"))

    def _one(self, stored: Stored) -> tuple[Realisation, bool]:
        if fault := reading.too_large(stored):
            raise _UnreadableError(fault)
        try:
            answer = received(self._client, stored.key, stored.size)
            if fault := reading.changed(stored, answer):
                raise _UnreadableError(fault)
            content = decoded(answer.body, answer.encoding, NARINFO_BYTES)
            return Realisation.parse_stored(stored.key, content), reading.is_hash(stored, answer)
        except AnsweredError as refusal:
            raise _UnreadableError(f"cannot be read: the storage answers {refusal}") from None
        except (EncodingError, TooLargeError, OversizedError, ForeignAnswerError) as mistake:
            raise _UnreadableError(f"cannot be read: {mistake}") from None
        except ValueError as mistake:
            raise _UnreadableError(f"is malformed: {mistake}") from None


def _keep_known(found: PackedRealisations, known: PackedRealisations) -> None:
    """Add realisations that are listed as they were. One without an ETag may have been replaced."""
    for at in range(len(found)):
        before = known.objects.find(found.objects.name(at))
        if before is None or before in known.faults:
            continue
        state = found.objects.state(at)
        if state[2] and state == known.objects.state(before):
            path, needed = known.statement(before)
            found.put_read(at, needed, path)
            if known.is_identified(before):
                found.identify(at)
