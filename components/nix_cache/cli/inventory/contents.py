"""What is in a cache's bucket, as far as it can be collected. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Self

from nix_cache.cli.inventory.columns import Columns, joined, taken
from nix_cache.cli.inventory.narinfos import ENDING, PackedNarinfos
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.relisted import Recognition
from nix_cache.cli.inventory.stored import Entry, Stored
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.pin import PinKey
from nix_cache.formats.realisation import PREFIXES as REALISATION_PREFIXES
from nix_cache.formats.realisation import is_realisation_key
from nix_cache.formats.root_record import is_root_record
from nix_cache.iam.lifecycle import NAR_PREFIX, NIX32

__all__ = ["Contents", "Entry", "ListedNarinfos", "ListedNars", "Stored"]

YOUNG = timedelta(days=1)
"""What is younger may belong to a push under way, which puts NARs and listings before narinfos."""

_HASH = f"[{NIX32}]{{32}}"
_METADATA_KEY = re.compile(rf"({_HASH})\.(narinfo|ls)")
_NAR_KEY = re.compile(rf"{NAR_PREFIX}[0-9A-Za-z_-]+\.nar(\.[0-9a-z]+)?")
"""Wider than Nix names NARs: an adopted bucket has those of other tools, such as hashes in base 16,
or with the hash of the store path before them."""

_LISTING = ".ls"
_Named = tuple[str, Stored]
_FOLDERS_OF_PATHS = (NAR_PREFIX, "log/", "debuginfo/", *REALISATION_PREFIXES)


@dataclass(frozen=True)
class Contents:
    """What is in the bucket and can be collected; everything else there is left alone.

    Attributes:
        narinfos: by the hash of their store path.
        listings: the lists of files beside them, ``HASH.ls``, by the same hash.
        nars: by their key.
        foreign: the keys of other objects below ``nar/``, which are never removed.
        first: the contents by the first listing of this run; None if this is it.
    """

    narinfos: PackedNarinfos
    listings: PackedObjects
    nars: PackedObjects
    foreign: frozenset[str] = frozenset()
    first: "Contents | None" = None

    @property
    def base(self) -> "Contents":
        """The contents by the first listing of this run."""
        return self.first or self

    @classmethod
    def of(
        cls,
        narinfos: Mapping[str, Entry],
        listings: Mapping[str, Stored],
        nars: Mapping[str, Stored],
        foreign: frozenset[str] = frozenset(),
    ) -> Self:
        """Return contents of ordinary mappings."""
        packed = PackedObjects.of(nars, common=NAR_PREFIX)
        return cls(
            PackedNarinfos.of(narinfos, packed),
            PackedObjects.of(listings, _LISTING),
            packed,
            foreign,
        )

    @property
    def unreadable(self) -> list[Entry]:
        """The narinfos that cannot be read, by key."""
        return self.narinfos.unreadable

    @property
    def undated(self) -> list[str]:
        """The keys of objects without a usable date."""
        return sorted([*self.narinfos.objects.undated, *self.listings.undated, *self.nars.undated])


class ListedNars:
    """Objects below ``nar/``, as they are listed.

    Args:
        base: the contents by the first listing of this run; None if this is it.
    """

    def __init__(self, base: Contents | None) -> None:
        self._known = Recognition(base.nars, lambda _: True) if base else None

    def kept(self, page: Iterable[Stored]) -> "tuple[Columns, list[str]]":
        """Return what can be collected of a page of the listing, and the keys of the rest."""
        nars, foreign = list[_Named](), list[str]()
        for stored in sorted(page, key=attrgetter("key")):
            if _NAR_KEY.fullmatch(stored.key):
                nars.append((stored.key, stored))
            else:
                foreign.append(stored.key)
        return _changed(nars, self._known), foreign

    def joined(
        self, pages: "list[tuple[Columns, list[str]]]"
    ) -> tuple[PackedObjects, frozenset[str]]:
        """Return the NARs, and the keys of the other objects. The list of pages is emptied."""
        foreign = frozenset(key for _, keys in pages for key in keys)
        nars = PackedObjects(joined(columns for columns, _ in taken(pages)), common=NAR_PREFIX)
        return self._known.finished(nars) if self._known else nars, foreign


class ListedNarinfos:
    """Objects outside of folders, as they are listed.

    Args:
        base: the contents by the first listing of this run; None if this is it.
    """

    def __init__(self, base: Contents | None) -> None:
        self._narinfos = (
            Recognition(base.narinfos.objects, base.narinfos.is_settled) if base else None
        )
        self._listings = Recognition(base.listings, lambda _: True) if base else None

    def kept(self, page: Iterable[Stored]) -> tuple[Columns, Columns, bool]:
        """Return the narinfos and lists of files of a page, and whether it has nix-cache-info."""
        narinfos, listings, has_info = list[_Named](), list[_Named](), False
        for stored in sorted(page, key=attrgetter("key")):
            if match := _METADATA_KEY.fullmatch(stored.key):
                kind = narinfos if match[2] == "narinfo" else listings
                kind.append((match[1], stored))
            elif stored.key == INFO_KEY:
                has_info = True
        return _changed(narinfos, self._narinfos), _changed(listings, self._listings), has_info

    def joined(
        self, pages: list[tuple[Columns, Columns, bool]]
    ) -> tuple[PackedObjects, PackedObjects, bool]:
        """Return the narinfos, the lists of files, and whether there is ``nix-cache-info``.

        The list of pages is emptied.
        """
        has_info = any(found for *_, found in pages)
        listings = PackedObjects(joined(columns for _, columns, _ in pages), _LISTING)
        narinfos = PackedObjects(joined(columns for columns, *_ in taken(pages)), ENDING)
        return (
            self._narinfos.finished(narinfos) if self._narinfos else narinfos,
            self._listings.finished(listings) if self._listings else listings,
            has_info,
        )


def is_collectable(key: str) -> bool:
    """Return whether an object with this key is ever removed."""
    return bool(
        _METADATA_KEY.fullmatch(key)
        or _NAR_KEY.fullmatch(key)
        or is_root_record(key)
        or is_realisation_key(key)
        or PinKey.parse(key)
    )


def is_narinfo(key: str) -> bool:
    """Return whether an object with this key is the narinfo of a store path."""
    found = _METADATA_KEY.fullmatch(key)
    return found is not None and found[2] == "narinfo"


def is_metadata(key: str) -> bool:
    """Return whether an object with this key is the narinfo or the list of files of a path."""
    return _METADATA_KEY.fullmatch(key) is not None


def is_of_paths(key: str) -> bool:
    """Return whether an object with this key belongs to store paths, in whatever way."""
    return is_collectable(key) or key.startswith(_FOLDERS_OF_PATHS)


def narinfos_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """Return the narinfos among some objects, by the hash of their store path."""
    return _metadata(objects, "narinfo")


def listings_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """Return the lists of files among some objects, by the hash of their store path."""
    return _metadata(objects, "ls")


def total_bytes(objects: Iterable[Stored]) -> int:
    """How much room some objects take."""
    return sum(stored.size for stored in objects)


def _metadata(objects: Iterable[Stored], ending: str) -> dict[str, Stored]:
    found = ((_METADATA_KEY.fullmatch(stored.key), stored) for stored in objects)
    return {match[1]: stored for match, stored in found if match and match[2] == ending}


def _changed(named: list[_Named], known: Recognition | None) -> Columns:
    """Return those of some objects that are new or have changed."""
    return Columns.of(known.changed(named) if known else named)
