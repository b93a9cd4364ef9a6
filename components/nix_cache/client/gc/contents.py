"""What is in a cache's bucket, as far as it can be collected. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from nix_cache.lifecycle import NAR_PREFIX, NIX32
from nix_cache.narinfo import Narinfo, NarinfoError

_HASH = f"[{NIX32}]{{32}}"
_METADATA_KEY = re.compile(rf"({_HASH})\.(narinfo|ls)")
_NAR_KEY = re.compile(rf"{NAR_PREFIX}[{NIX32}]+\.nar(\.[0-9a-z]+)?")
_HASH_ANYWHERE = re.compile(_HASH)


@dataclass(frozen=True)
class Stored:
    """An object in the bucket.

    Attributes:
        key: its name.
        size: in bytes.
        written: when it was put there last, by the storage's clock.
        etag: another one for each content.
    """

    key: str
    size: int
    written: datetime
    etag: str = ""


@dataclass(frozen=True)
class Entry:
    """A narinfo in the bucket.

    Attributes:
        stored: the object.
        references: the hashes of the paths that it needs. Of one that cannot be read, all hashes
            that stand in it.
        nar: the last part of its NAR's name; None if it cannot be read.
        fault: why it cannot be read; None if it can.
    """

    stored: Stored
    references: frozenset[str]
    nar: str | None
    fault: str | None = None

    @classmethod
    def read(cls, stored: Stored, content: bytes) -> Self:
        """What a narinfo says.

        Args:
            stored: the object.
            content: what is in it.
        """
        try:
            narinfo = Narinfo.parse(content)
        except NarinfoError as mistake:
            hashes = _HASH_ANYWHERE.findall(content.decode(errors="replace"))
            return cls(stored, frozenset(hashes), None, str(mistake))
        return cls(
            stored,
            frozenset(name[:32] for name in narinfo.references),
            nar_name(urlsplit(narinfo.url).path),
        )


@dataclass(frozen=True)
class Contents:
    """What is in the bucket and can be collected; everything else there is left alone.

    Attributes:
        narinfos: by the hash of their store path.
        listings: the lists of files beside them, ``HASH.ls``, by the same hash.
        nars: by their key.
    """

    narinfos: Mapping[str, Entry]
    listings: Mapping[str, Stored]
    nars: Mapping[str, Stored]

    @property
    def unreadable(self) -> list[Entry]:
        """The narinfos that cannot be read, by key."""
        found = [entry for entry in self.narinfos.values() if entry.fault is not None]
        return sorted(found, key=lambda entry: entry.stored.key)


def nar_name(key: str) -> str:
    """The last part of a NAR's key, which no two NARs share: it is the hash of the content."""
    return key.rpartition("/")[2]


def narinfos_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """The narinfos among some objects, by the hash of their store path."""
    return _metadata(objects, "narinfo")


def listings_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """The lists of files among some objects, by the hash of their store path."""
    return _metadata(objects, "ls")


def nars_among(objects: Iterable[Stored]) -> dict[str, Stored]:
    """The NARs among some objects, by key."""
    return {stored.key: stored for stored in objects if _NAR_KEY.fullmatch(stored.key)}


def total_bytes(objects: Iterable[Stored]) -> int:
    """How much room some objects take."""
    return sum(stored.size for stored in objects)


def _metadata(objects: Iterable[Stored], ending: str) -> dict[str, Stored]:
    found = ((_METADATA_KEY.fullmatch(stored.key), stored) for stored in objects)
    return {match[1]: stored for match, stored in found if match and match[2] == ending}
