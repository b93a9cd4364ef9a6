"""Narinfos of a bucket with all their fields, one after the other: none is held in memory."""

from collections.abc import Iterable, Iterator

from nix_cache.cli.inventory.contents import Stored
from nix_cache.cli.inventory.narinfo_reader import received
from nix_cache.cli.inventory.reading import too_large
from nix_cache.cli.limits import NARINFO_BYTES, TooLargeError
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.cli.s3.reply import OversizedError
from nix_cache.formats.narinfo import Narinfo

_MISSING = 404


def parsed_narinfos(
    client: S3Client, listed: Iterable[Stored], jobs: int
) -> Iterator[tuple[Stored, Narinfo | str]]:
    """Read narinfos, several at a time. Those that went meanwhile are left out.

    Args:
        client: of the bucket.
        listed: the narinfos.
        jobs: how many are read at a time.

    Yields:
        each object with what it states, or with the reason why it cannot be read, a clause without
        a subject.

    Raises:
        StorageError: the storage refused or did not answer.
    """
    for stored, found in in_parallel(lambda one: _parsed(client, one), listed, jobs):
        if found is not None:
            yield stored, found


def _parsed(client: S3Client, stored: Stored) -> Narinfo | str | None:
    if fault := too_large(stored):
        return fault
    try:
        answer = received(client, stored.key, NARINFO_BYTES)
        return Narinfo.parse(decoded(answer.body, answer.encoding, NARINFO_BYTES))
    except AnsweredError as refusal:
        if refusal.status == _MISSING:
            return None
        raise
    except (EncodingError, TooLargeError, OversizedError, ValueError) as mistake:
        return f"cannot be read: {mistake}"
