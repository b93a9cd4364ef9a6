"""An object in a cache's bucket, and a narinfo as it was read. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from nix_cache.formats.nar_url import NarUrl


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
