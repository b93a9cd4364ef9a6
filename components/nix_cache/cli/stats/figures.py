"""The figures of a cache, added up from its narinfos and the sizes of its objects. Pure."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.stored import Stored
from nix_cache.formats.nar_url import NamedObjects, NarUrl
from nix_cache.formats.narinfo import Narinfo

LARGEST = 10
"""How many of the largest paths are kept."""

UNSIGNED = ""
"""Stands for the name of a key where a path has no signature."""


@dataclass
class Amount:
    """A number of paths, and how much their NARs take.

    Attributes:
        paths: how many.
        stored_bytes: what their NARs take in the bucket. A NAR that several paths share counts for
            the first of them.
        nar_bytes: the size of their NARs without compression.
    """

    paths: int = 0
    stored_bytes: int = 0
    nar_bytes: int = 0

    def add(self, stored_bytes: int, nar_bytes: int) -> None:
        """Count one more path."""
        self.paths += 1
        self.stored_bytes += stored_bytes
        self.nar_bytes += nar_bytes


@dataclass(frozen=True, order=True)
class LargePath:
    """A path that is large.

    Attributes:
        stored_bytes: what its NAR takes in the bucket.
        store_path: its name.
        nar_bytes: the size of its NAR without compression.
    """

    stored_bytes: int
    store_path: str
    nar_bytes: int


@dataclass
class Figures:
    """What a cache has.

    Attributes:
        objects: by their kind, how many objects there are.
        object_bytes: by their kind, what they take.
        total: of all paths. A NAR counts once.
        by_key: by the name of the key that signed them. A path with several signatures counts for
            each key.
        by_compression: by the compression of the NAR.
        by_month: by the month of the storage's date of the narinfo, such as ``2026-11``; an
            empty name for those without a date.
        largest: the largest paths, the largest first.
        missing_nars: how many paths name a NAR that is not there.
        unreadable: by the key of each narinfo that cannot be read, the reason.
        orphans: how many NARs no narinfo names.
        orphan_bytes: what these take.
    """

    objects: Counter[str] = field(default_factory=Counter)
    object_bytes: Counter[str] = field(default_factory=Counter)
    total: Amount = field(default_factory=Amount)
    by_key: dict[str, Amount] = field(default_factory=dict)
    by_compression: dict[str, Amount] = field(default_factory=dict)
    by_month: dict[str, Amount] = field(default_factory=dict)
    largest: list[LargePath] = field(default_factory=list)
    missing_nars: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    orphans: int = 0
    orphan_bytes: int = 0

    @property
    def all_bytes(self) -> int:
        """What all objects take."""
        return sum(self.object_bytes.values())

    @property
    def compression_ratio(self) -> float | None:
        """How often the stored NARs fit into what they hold; None without a NAR."""
        return self.total.nar_bytes / self.total.stored_bytes if self.total.stored_bytes else None


class Adder:
    """Adds up the figures of a cache.

    Args:
        nars: the NARs.
        others: the other objects below ``nar/``: the size of each, by key.
    """

    def __init__(self, nars: PackedObjects, others: Mapping[str, int]) -> None:
        self.figures = Figures()
        self._nars = nars
        self._others = others
        self._counted = bytearray(nars.span)
        self._counted_others: set[str] = set()
        self._uncertain: list[NarUrl] = []
        self._largest: list[LargePath] = []
        self.count("nar", map(nars.size, nars.numbers()))
        self.count("nar", others.values())

    def count(self, kind: str, sizes: Iterable[int]) -> None:
        """Count objects of a kind, by their sizes."""
        for size in sizes:
            self.figures.objects[kind] += 1
            self.figures.object_bytes[kind] += size

    def add(self, stored: Stored, narinfo: Narinfo | str) -> None:
        """Count one path.

        Args:
            stored: the object of its narinfo.
            narinfo: what that states, or why it cannot be read.
        """
        if isinstance(narinfo, str):
            self.figures.unreadable[stored.key] = narinfo
            return
        stored_bytes, nar_bytes = self._new_bytes(narinfo)
        self.figures.total.add(stored_bytes, nar_bytes)
        names = {signature.partition(":")[0] for signature in narinfo.signatures} or {UNSIGNED}
        for name in names:
            self.figures.by_key.setdefault(name, Amount()).add(stored_bytes, nar_bytes)
        for table, name in (
            (self.figures.by_compression, narinfo.compression),
            (self.figures.by_month, _month(stored.written)),
        ):
            table.setdefault(name, Amount()).add(stored_bytes, nar_bytes)
        if stored_bytes:
            large = LargePath(stored_bytes, narinfo.store_path, narinfo.nar_size)
            if len(self._largest) < LARGEST:
                heapq.heappush(self._largest, large)
            else:
                heapq.heappushpop(self._largest, large)

    def finished(self) -> Figures:
        """Return the figures after the last path."""
        possible, nars = NamedObjects(self._uncertain), self._nars
        left = [
            nars.size(number)
            for number in nars.numbers()
            if not self._counted[number] and nars.key(number) not in possible
        ]
        left += [
            size
            for key, size in self._others.items()
            if key not in self._counted_others and key not in possible
        ]
        self.figures.orphans = len(left)
        self.figures.orphan_bytes = sum(left)
        self.figures.largest = sorted(self._largest, reverse=True)
        return self.figures

    def _new_bytes(self, narinfo: Narinfo) -> tuple[int, int]:
        """Return what a path's NAR takes, in the bucket and without compression.

        Both are 0 for a NAR that was counted already, or is not known to be there.
        """
        url = NarUrl.parse(narinfo.url)
        if url.key is None:
            self._uncertain.append(url)
            return 0, 0
        if (size := self._first_size(url.key)) is None:
            self.figures.missing_nars += url.key.startswith("nar/")
        return (size, narinfo.nar_size) if size else (0, 0)

    def _first_size(self, key: str) -> int | None:
        """Return the size of a NAR; 0 if it was counted already, None if it is not there."""
        number = self._nars.find(key)
        if number is not None:
            is_counted, self._counted[number] = self._counted[number], 1
            return 0 if is_counted else self._nars.size(number)
        if key not in self._others:
            return None
        is_counted = key in self._counted_others
        self._counted_others.add(key)
        return 0 if is_counted else self._others[key]


def _month(written: datetime | None) -> str:
    return "" if written is None else f"{written:%Y-%m}"
