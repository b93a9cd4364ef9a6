"""The root records of a bucket: what pushes rely on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.formats.root_record import RootRecord, RootRecordError, is_root_record

_MISSING = 404


@dataclass(frozen=True)
class Pushed:
    """A push, as its root record describes it.

    Attributes:
        stored: the object.
        paths: the hashes of the store paths that it relies on.
        upstream: the hashes of references that it left to upstream caches.
    """

    stored: Stored
    paths: frozenset[str]
    upstream: frozenset[str]


class RootReader:
    """Reads root records. Each is read once, as none is ever replaced.

    Args:
        client: of the bucket.
        jobs: how many are read at a time.
    """

    def __init__(self, client: S3Client, jobs: int) -> None:
        self._client = client
        self._jobs = jobs
        self._known: dict[Stored, Pushed] = {}

    def read(self, listed: Iterable[Stored], progress: Callable[[str], None]) -> tuple[Pushed, ...]:
        """Read the root records among some objects.

        Raises:
            ClientError: one cannot be read, so what its push relies on is not known.
            StorageError: the storage refused or did not answer.
        """
        records = [stored for stored in listed if is_root_record(stored.key)]
        unread = [stored for stored in records if stored not in self._known]
        results = in_parallel(self._pushed, unread, self._jobs)
        for count, (stored, pushed) in enumerate(results, start=1):
            if pushed is not None:
                self._known[stored] = pushed
            progress(f"read {count} of {len(unread)} root records")
        return tuple(self._known[stored] for stored in records if stored in self._known)

    def _pushed(self, stored: Stored) -> Pushed | None:
        try:
            content = self._client.get(stored.key).body
        except AnsweredError as refusal:
            if refusal.status == _MISSING:
                return None  # another collection has just deleted it
            raise
        try:
            record = RootRecord.parse(content)
        except RootRecordError as mistake:
            raise ClientError(
                f"{stored.key} in the bucket {mistake}; nothing more was removed",
                "install a newer nix-cache if one has written it, else delete this object",
            ) from None
        upstream = (name for names in record.upstream.values() for name in names)
        return Pushed(stored, frozenset(record.paths), frozenset(upstream))


def paths_of(pushes: Iterable[Pushed]) -> frozenset[str]:
    """Return the hashes of all store paths that some pushes rely on."""
    return frozenset(name for pushed in pushes for name in pushed.paths)


def left_to_upstream(pushes: Iterable[Pushed], missing: Mapping[str, list[str]]) -> set[str]:
    """Return those missing references that some push left to an upstream cache.

    Args:
        pushes: the pushes.
        missing: by the hash of a path, the hashes of references that are not there.
    """
    wanted = {name for names in missing.values() for name in names}
    return {name for pushed in pushes for name in pushed.upstream if name in wanted}
