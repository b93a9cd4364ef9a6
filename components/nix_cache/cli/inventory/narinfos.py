"""The narinfos of a bucket in little memory, and what they need. Pure.

A narinfo takes some 100 bytes: references and NARs are numbers of other objects. ``Entry`` objects
are made on request.
"""

from array import array
from collections.abc import (
    Callable,
    Collection,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    ValuesView,
)
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import overload

from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.references import PackedReferences
from nix_cache.cli.inventory.stored import Entry
from nix_cache.formats.nar_url import NamedObjects, NarUrl
from nix_cache.iam.lifecycle import NAR_PREFIX

ENDING = ".narinfo"
_UNREAD = 2**32 - 1
_ELSEWHERE = 2**32 - 2
"""In the place of a NAR's number: the URL is in ``_urls``, or there is none."""


class PackedNames(AbstractSet[str]):
    """Some of the narinfos of a bucket, by the hash of their store path.

    Args:
        objects: the narinfos as they are listed.
        flags: one byte for each of them: whether it is among these.
    """

    def __init__(self, objects: PackedObjects, flags: bytearray) -> None:
        self._objects = objects
        self.flags = flags

    def __len__(self) -> int:
        return self.flags.count(1)

    def __iter__(self) -> Iterator[str]:
        return map(self._objects.name, self.numbers())

    def __contains__(self, name: object) -> bool:
        number = self._objects.find(name) if isinstance(name, str) else None
        return number is not None and bool(self.flags[number])

    def numbers(self) -> Iterator[int]:
        """Yield their numbers, in the order of names."""
        number = self.flags.find(1)
        while number >= 0:
            yield number
            number = self.flags.find(1, number + 1)

    @property
    def others(self) -> "PackedNames":
        """The narinfos that are not among these."""
        return PackedNames(self._objects, bytearray(self.flags.translate(_INVERTED)))

    @classmethod
    def _from_iterable(cls, names: Iterable[str]) -> AbstractSet[str]:  # type: ignore[override]
        return frozenset(names)


_INVERTED = bytes([1, 0, *range(2, 256)])


class Entries(Sequence[Entry]):
    """Narinfos in some order, each made when it is asked for."""

    def __init__(self, narinfos: "PackedNarinfos", numbers: "array[int]") -> None:
        self._narinfos = narinfos
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> "Entries": ...
    def __getitem__(self, place: int | slice) -> "Entry | Entries":
        if isinstance(place, slice):
            return Entries(self._narinfos, self._numbers[place])
        return self._narinfos.entry(self._numbers[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def total_bytes(self) -> int:
        """How much room the narinfos take."""
        return sum(map(self._narinfos.objects.size, self._numbers))


class Named:
    """The objects that some narinfos may name as their NARs.

    Args:
        nars: the NARs in the bucket.
        flags: one byte for each of them: whether it is certainly named.
        others: what other URLs may name.
    """

    def __init__(self, nars: PackedObjects, flags: bytearray, others: NamedObjects) -> None:
        self._nars = nars
        self._flags = flags
        self._others = others

    def __contains__(self, key: str) -> bool:
        number = self._nars.find(key)
        return (number is not None and bool(self._flags[number])) or key in self._others

    def unnamed(self) -> Iterator[int]:
        """Yield the numbers of the NARs that are not named."""
        number = self._flags.find(0)
        while number >= 0:
            if self._nars.key(number) not in self._others:
                yield number
            number = self._flags.find(0, number + 1)


class PackedNarinfos(Mapping[str, Entry]):
    """The narinfos of a bucket, by the hash of their store path.

    Args:
        objects: the narinfos as they are listed.
        nars: the NARs as they are listed.

    Attributes:
        objects: the narinfos as they are listed.
        identified: one byte for each of them: whether its ETag is the hash of what was read.
        remembered: how many of them an earlier run on this machine read.
    """

    def __init__(self, objects: PackedObjects, nars: PackedObjects) -> None:
        self.objects = objects
        self.identified = bytearray(len(objects))
        self.remembered = 0
        self._nars = nars
        self._nar = array("I", [_UNREAD]) * len(objects)
        self._urls: dict[int, NarUrl] = {}
        self._faults: dict[int, str] = {}
        self._references = PackedReferences(objects)

    @classmethod
    def of(cls, entries: Mapping[str, Entry], nars: PackedObjects) -> "PackedNarinfos":
        """Return some narinfos, by the hash of their store path."""
        stored = {name: entry.stored for name, entry in entries.items()}
        found = cls(PackedObjects.of(stored, ENDING), nars)
        for name, entry in entries.items():
            found.put(name, entry)
        return found

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[str]:
        return iter(self.objects)

    def __contains__(self, name: object) -> bool:
        return name in self.objects

    def __getitem__(self, name: str) -> Entry:
        if (number := self.objects.find(name)) is None:
            raise KeyError(name)
        return self.entry(number)

    def items(self) -> ItemsView[str, Entry]:
        """Return hashes and narinfos."""
        return _Items(self)

    def values(self) -> ValuesView[Entry]:
        """Return the narinfos."""
        return _Values(self)

    def put(self, name: str, entry: Entry) -> None:
        """Add what a listed narinfo states. It is added once."""
        number = self.objects.find(name)
        assert number is not None
        assert entry.stored == self.objects.stored(number)
        if entry.fault is not None or entry.url is None:
            self._nar[number] = _ELSEWHERE
            self._faults[number] = entry.fault or "is not read"
            return
        url = entry.url
        self.put_read(number, entry.references, url.text, lambda: url)

    def put_read(
        self,
        number: int,
        references: Collection[str],
        url: str,
        parsed: Callable[[], NarUrl] | None = None,
    ) -> None:
        """Add what a narinfo states that could be read.

        Args:
            number: of the narinfo.
            references: the hashes of what it needs.
            url: of its NAR.
            parsed: returns the same, parsed; None if it is still to be parsed.
        """
        nar = self._nars.find(url)
        if nar is None:
            self._urls[number] = parsed() if parsed else NarUrl.parse(url)
        self._nar[number] = _ELSEWHERE if nar is None else nar
        self._references.put(number, references)

    def entry(self, number: int) -> Entry:
        """Return a narinfo."""
        stored = self.objects.stored(number)
        if (fault := self._faults.get(number)) is not None:
            return Entry.unreadable(stored, fault)
        return Entry(stored, frozenset(self._references.names(number)), self._url(number))

    def is_read(self, number: int) -> bool:
        """Return whether it was added what a narinfo states, even if it cannot be read."""
        return self._nar[number] != _UNREAD

    def is_readable(self, number: int) -> bool:
        """Return whether a narinfo could be read."""
        return self.is_read(number) and number not in self._faults

    def statement(self, number: int) -> tuple[str, list[str]]:
        """Return the URL and the references of a narinfo that could be read."""
        return self._url(number).text, list(self._references.names(number))

    @property
    def unreadable(self) -> list[Entry]:
        """The narinfos that cannot be read, by key."""
        return [self.entry(number) for number in sorted(self._faults)]

    @property
    def all(self) -> PackedNames:
        """All of them."""
        return PackedNames(self.objects, bytearray(b"\1" * len(self)))

    def without(self, names: Collection[str]) -> PackedNames:
        """Return all but some of them."""
        found = self.all
        for name in names:
            if (number := self.objects.find(name)) is not None:
                found.flags[number] = 0
        return found

    def recent(self, time: datetime) -> Iterator[str]:
        """Yield those that are written since a time, have no date, or cannot be read."""
        for number in self.objects.written_since(time):
            yield self.objects.name(number)
        for number in self._faults:
            yield self.objects.name(number)

    def closure(self, roots: Iterable[str]) -> PackedNames:
        """Return the roots that are there, with all that is there and that they need."""
        numbers = (self.objects.find(root) for root in roots)
        flags = self._references.closure(number for number in numbers if number is not None)
        return PackedNames(self.objects, flags)

    def missing_references(self, names: PackedNames) -> dict[str, list[str]]:
        """Return what some narinfos refer to and is not there, by the narinfo that does."""
        missing = ((at, sorted(self._references.absent(at))) for at in names.numbers())
        return {self.objects.name(at): others for at, others in missing if others}

    def dependents_first(self, names: PackedNames) -> Entries:
        """Return some narinfos in an order in which each comes before those that it needs.

        A removal in this order leaves no path without its references, wherever it stops.
        A circle, which Nix does not make, is cut somewhere.
        """
        needed_first = array("I")
        left = bytearray(names.flags)
        for start in names.numbers():
            waiting = [2 * start]
            while waiting:
                number, is_done = divmod(waiting.pop(), 2)
                if is_done:
                    needed_first.append(number)
                elif left[number]:
                    left[number] = 0
                    waiting.append(2 * number + 1)
                    needed = self._references.present(number)
                    waiting += [2 * other for other in needed if left[other]]
        needed_first.reverse()
        return Entries(self, needed_first)

    def named(self, names: PackedNames | None = None) -> Named:
        """Return what some narinfos may name as their NARs; all of them if None."""
        names = self.all if names is None else names
        flags = bytearray(len(self._nars))
        for number in names.numbers():
            if (nar := self._nar[number]) < _ELSEWHERE:
                flags[nar] = 1
        others = NamedObjects(url for at, url in self._urls.items() if names.flags[at])
        return Named(self._nars, flags, others)

    def missing_nars(self, names: PackedNames) -> dict[str, str]:
        """Return the keys of NARs below ``nar/`` that some narinfos name and that are not listed.

        Returns:
            the key by the hash of the narinfo's path.
        """
        return {
            self.objects.name(number): url.key
            for number, url in sorted(self._urls.items())
            if names.flags[number] and url.key is not None and url.key.startswith(NAR_PREFIX)
        }

    def naming(self, keys: Collection[str]) -> Iterator[Entry]:
        """Yield the narinfos whose NAR certainly or perhaps is one of some objects."""
        numbers = {self._nars.find(key) for key in keys}
        for number, nar in enumerate(self._nar if keys else ()):
            url = self._urls.get(number)
            if nar in numbers or (url is not None and any(map(url.may_name, keys))):
                yield self.entry(number)

    def needing(self, gone: AbstractSet[str]) -> Iterator[Entry]:
        """Yield the narinfos outside of some paths that refer to one of these."""
        numbers = {self._references.number(name) for name in gone}
        for number in range(len(self) if gone else 0):
            if number not in numbers and not numbers.isdisjoint(self._references.all(number)):
                yield self.entry(number)

    def _url(self, number: int) -> NarUrl:
        nar = self._nar[number]
        return NarUrl.parse(self._nars.key(nar)) if nar < _ELSEWHERE else self._urls[number]


class _Items(ItemsView[str, Entry]):
    """Hashes and narinfos, without a search for each."""

    def __init__(self, narinfos: PackedNarinfos) -> None:
        super().__init__(narinfos)
        self._narinfos = narinfos

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        for number in range(len(self._narinfos)):
            yield self._narinfos.objects.name(number), self._narinfos.entry(number)


class _Values(ValuesView[Entry]):
    """Narinfos, without a search for each."""

    def __init__(self, narinfos: PackedNarinfos) -> None:
        super().__init__(narinfos)
        self._narinfos = narinfos

    def __iter__(self) -> Iterator[Entry]:
        return map(self._narinfos.entry, range(len(self._narinfos)))
