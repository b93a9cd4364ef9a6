"""The root records of a bucket: what pushes rely on."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.stored import Stored
from nix_cache.formats.root_record import RootRecord, RootRecordError, is_root_record


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


def root_records_among(listed: Iterable[Stored]) -> list[Stored]:
    """Return the root records among some objects."""
    return [stored for stored in listed if is_root_record(stored.key)]


def read_root_record(stored: Stored, content: bytes) -> Pushed:
    """Read a root record.

    Raises:
        ClientError: it cannot be read, so what its push relies on is not known.
    """
    try:
        record = RootRecord.parse(content)
    except RootRecordError as mistake:
        raise ClientError(
            f"{stored.key} in the bucket {mistake}; nothing more was removed",
            "install a newer nix-cache if one has written it, else delete this object",
        ) from None
    # Records of one cache have the same paths again and again.
    paths = map(sys.intern, record.paths)
    upstream = (sys.intern(name) for names in record.upstream.values() for name in names)
    return Pushed(stored, frozenset(paths), frozenset(upstream))


def paths_of(pushes: Iterable[Pushed]) -> frozenset[str]:
    """Return the hashes of all store paths that some pushes rely on."""
    return frozenset(name for pushed in pushes for name in pushed.paths)


def left_to_upstream(pushes: Iterable[Pushed]) -> set[str]:
    """Return the hashes of all references that some pushes left to an upstream cache."""
    return {name for pushed in pushes for name in pushed.upstream}
