"""What is in a cache's bucket, as far as it can be collected. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from nix_cache.formats.nar_url import NarUrl
from nix_cache.formats.root_record import is_root_record
from nix_cache.iam.lifecycle import NAR_PREFIX, NIX32

_HASH = f"[{NIX32}]{{32}}"
_METADATA_KEY = re.compile(rf"({_HASH})\.(narinfo|ls)")
_NAR_KEY = re.compile(rf"{NAR_PREFIX}[0-9A-Za-z_-]+\.nar(\.[0-9a-z]+)?")
"""Wider than Nix names NARs: an adopted bucket has those of other tools, such as hashes in base 16,
or with the hash of the store path before them."""


@dataclass(frozen=True)
class Stored:
    """An object in the bucket.

    Attributes:
        key: its name.
        size: in bytes.
        written: when it was put there last, by the storage's clock; None if the storage states no
            date, or one that cannot be meant. Such an object counts as young.
        etag: another one for each content; empty if the storage states none.
    """

    key: str
    size: int
    written: datetime | None
    etag: str = ""


@dataclass(frozen=True)
class Entry:
    """A narinfo in the bucket.

    Attributes:
        stored: the object.
        references: the hashes of the paths that it needs, and of narinfos that it may name as its
            NAR; empty if it cannot be read.
        url: of its NAR; None if it cannot be read.
        fault: why it cannot be read, a clause without a subject; None if it can.
    """

    stored: Stored
    references: frozenset[str]
    url: NarUrl | None
    fault: str | None = None

    @classmethod
    def unreadable(cls, stored: Stored, fault: str) -> Self:
        """Return the entry of a narinfo that cannot be read.

        Args:
            stored: the object.
            fault: why, a clause without a subject.
        """
        return cls(stored, frozenset(), None, fault)

    @property
    def store_hash(self) -> str:
        """The hash of its store path."""
        return self.stored.key.removesuffix(".narinfo")


@dataclass(frozen=True)
class Contents:
    """What is in the bucket and can be collected; everything else there is left alone.

    Attributes:
        narinfos: by the hash of their store path.
        listings: the lists of files beside them, ``HASH.ls``, by the same hash.
        nars: by their key.
        foreign: the keys of other objects below ``nar/``, which are never removed.
    """

    narinfos: Mapping[str, Entry]
    listings: Mapping[str, Stored]
    nars: Mapping[str, Stored]
    foreign: frozenset[str] = frozenset()

    @property
    def unreadable(self) -> list[Entry]:
        """The narinfos that cannot be read, by key."""
        found = [entry for entry in self.narinfos.values() if entry.fault is not None]
        return sorted(found, key=lambda entry: entry.stored.key)

    @property
    def undated(self) -> list[str]:
        """The keys of objects without a usable date."""
        narinfos = (entry.stored for entry in self.narinfos.values())
        objects = (*narinfos, *self.listings.values(), *self.nars.values())
        return sorted(stored.key for stored in objects if stored.written is None)


def is_collectable(key: str) -> bool:
    """Return whether an object with this key is ever removed."""
    return bool(_METADATA_KEY.fullmatch(key) or _NAR_KEY.fullmatch(key) or is_root_record(key))


def narinfos_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """Return the narinfos among some objects, by the hash of their store path."""
    return _metadata(objects, "narinfo")


def listings_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """Return the lists of files among some objects, by the hash of their store path."""
    return _metadata(objects, "ls")


def nars_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """Return the NARs among some objects, by key."""
    return {stored.key: stored for stored in objects if _NAR_KEY.fullmatch(stored.key)}


def total_bytes(objects: Iterable[Stored]) -> int:
    """How much room some objects take."""
    return sum(stored.size for stored in objects)


def _metadata(objects: Iterable[Stored], ending: str) -> dict[str, Stored]:
    found = ((_METADATA_KEY.fullmatch(stored.key), stored) for stored in objects)
    return {match[1]: stored for match, stored in found if match and match[2] == ending}
