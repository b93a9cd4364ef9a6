"""The narinfos of a bucket in little memory, and what they need. Pure.

A narinfo takes some 100 bytes: references and NARs are numbers of other objects. ``Entry`` objects
are made on request. Narinfos that were listed again as they were are not held twice.
"""

from collections.abc import (
    Callable,
    Collection,
    Container,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    ValuesView,
)
from datetime import datetime
from itertools import chain

from nix_cache.cli.inventory.entries import Entries, EntryItems, EntryValues
from nix_cache.cli.inventory.names import Named, PackedNames
from nix_cache.cli.inventory.nar_urls import NarUrls
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.references import PackedReferences
from nix_cache.cli.inventory.rows import Rows
from nix_cache.cli.inventory.stored import Entry
from nix_cache.formats.nar_url import NarUrl

ENDING = ".narinfo"


class PackedNarinfos(Mapping[str, Entry]):
    """The narinfos of a bucket, by the hash of their store path.

    Args:
        objects: the narinfos as they are listed.
        nars: the NARs as they are listed.
        base: those of the first listing, if ``objects`` were listed again. What they state of
            narinfos that are as they were is not read again.

    Attributes:
        objects: the narinfos as they are listed.
        base: those of the first listing, which may be these.
        remembered: how many of them an earlier run on this machine read.
    """

    def __init__(
        self,
        objects: PackedObjects,
        nars: PackedObjects,
        base: "PackedNarinfos | None" = None,
    ) -> None:
        own = objects.span - (0 if base is None else base.objects.span)
        self.objects: PackedObjects = objects
        self.base: PackedNarinfos = self if base is None else base
        self.remembered = 0
        self._first = objects.span - own
        self._identified = bytearray(own)
        self._faults: dict[int, str] = {}
        self._urls: NarUrls = NarUrls(objects, nars, None if base is None else base._urls)
        before = None if base is None else base._references
        self._references: PackedReferences = PackedReferences(objects, before)

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
        return EntryItems(self)

    def values(self) -> ValuesView[Entry]:
        """Return the narinfos."""
        return EntryValues(self)

    def put(self, name: str, entry: Entry) -> None:
        """Add what a listed narinfo states. It is added once."""
        number = self.objects.find(name)
        assert number is not None
        assert entry.stored == self.objects.stored(number)
        if entry.fault is not None or entry.url is None:
            self._urls.put_none(number)
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
        self._urls.put(number, url, parsed)
        self._references.put(number, references)

    def restore(self, first: int, rows: Rows) -> None:
        """Add what narinfos state that an earlier run read, and whose ETags are their hashes.

        Args:
            first: the number of the first of them. The others follow it.
            rows: what they state.
        """
        own = slice(first - self._first, first - self._first + len(rows.names))
        self._identified[own] = b"\1" * len(rows.names)
        self._urls.restore(first, rows.texts)
        self._references.restore(first, rows.counts, rows.references)

    def entry(self, number: int) -> Entry:
        """Return a narinfo."""
        stored = self.objects.stored(number)
        if (fault := self._faults.get(number)) is not None:
            return Entry.unreadable(stored, fault)
        return Entry(stored, frozenset(self._references.names(number)), self._urls.url(number))

    def is_read(self, number: int) -> bool:
        """Return whether it was added what a narinfo states, even if it cannot be read."""
        return self._urls.is_read(number)

    def is_readable(self, number: int) -> bool:
        """Return whether a narinfo could be read."""
        return self.is_read(number) and number not in self._faults

    def is_settled(self, number: int) -> bool:
        """Return whether a narinfo that is listed as it was states what it did.

        One without an ETag may have been replaced.
        """
        return self.is_readable(number) and bool(self.objects.etag(number))

    def statement(self, number: int) -> tuple[str, list[str]]:
        """Return the URL and the references of a narinfo that could be read."""
        return self._urls.url(number).text, list(self._references.names(number))

    @property
    def later(self) -> range:
        """The numbers of those that are not as they were in the first listing; at first, all."""
        return range(self._first, self.objects.span)

    def identify(self, number: int) -> None:
        """Note that the ETag of a narinfo is the hash of what was read."""
        self._identified[number - self._first] = 1

    def is_identified(self, number: int) -> bool:
        """Return whether the ETag of a narinfo is the hash of what was read."""
        if number < self._first:
            return self.base.is_identified(number)
        return bool(self._identified[number - self._first])

    def identified(self) -> Iterator[int]:
        """Yield the numbers of those whose ETag is the hash of what was read."""
        return filter(self.is_identified, self.objects.numbers())

    @property
    def unreadable(self) -> list[Entry]:
        """The narinfos that cannot be read, by key."""
        return [self.entry(number) for number in sorted(self._faults, key=self.objects.name)]

    @property
    def all(self) -> PackedNames:
        """All of them."""
        return PackedNames(self.objects, self.objects.flags())

    def without(self, names: Iterable[str]) -> PackedNames:
        """Return all but some of them."""
        return PackedNames.of(self.objects, names).others

    def recent(self, time: datetime) -> Iterator[int]:
        """Yield the numbers of those that are young, have no date, or cannot be read.

        Args:
            time: the earliest date.
        """
        yield from self.objects.written_since(time)
        yield from self._faults

    def closure(self, roots: Iterable[str], numbers: Iterable[int] = ()) -> PackedNames:
        """Return the roots that are there, with all that is there and that they need.

        Args:
            roots: hashes of store paths.
            numbers: of further roots, which are there.
        """
        found = (number for number in map(self.objects.find, roots) if number is not None)
        return PackedNames(self.objects, self._references.closure(chain(found, numbers)))

    def missing_references(
        self, names: PackedNames, tolerated: Container[str] = ()
    ) -> dict[str, list[str]]:
        """Return what some narinfos refer to and is not there, by the narinfo that does.

        Args:
            names: the narinfos.
            tolerated: references that do not count.
        """
        missing: dict[str, list[str]] = {}
        for number, name in self._references.missing(names.numbers()):
            if name not in tolerated:
                missing.setdefault(self.objects.name(number), []).append(name)
        return {name: sorted(others) for name, others in missing.items()}

    def absent_references(self, names: PackedNames) -> set[str]:
        """Return the hashes of what some narinfos refer to and is not there."""
        return {name for _, name in self._references.missing(names.numbers())}

    def dependents_first(self, names: PackedNames) -> Entries:
        """Return some narinfos in an order in which each comes before those that it needs.

        A removal in this order leaves no path without its references, wherever it stops.
        A circle, which Nix does not make, is cut somewhere.
        """
        return Entries(self, self._references.dependents_first(names.flags))

    def with_dependents(self, names: Iterable[str]) -> PackedNames:
        """Return those of some names that are there, with all that need them."""
        found = PackedNames.of(self.objects, names)
        return PackedNames(self.objects, self._references.with_dependents(found.flags))

    def named(self, names: PackedNames | None = None) -> Named:
        """Return what some narinfos may name as their NARs; all of them if None."""
        return self._urls.named(self.all if names is None else names)

    def missing_nars(self, names: PackedNames) -> dict[str, str]:
        """Return the keys of NARs below ``nar/`` that some narinfos name and that are not listed.

        Returns:
            the key by the hash of the narinfo's path.
        """
        return self._urls.missing(names)

    def naming(self, keys: Collection[str]) -> Iterator[Entry]:
        """Return the narinfos whose NAR certainly or perhaps is one of some objects."""
        return map(self.entry, self._urls.naming(keys))

    def needing(self, gone: Container[str], withdrawn: Iterable[str] = ()) -> Iterator[Entry]:
        """Yield the narinfos that refer to a path which is not there any more.

        Args:
            gone: the hashes of paths that count if they are not there.
            withdrawn: the hashes of paths that went after the listing.
        """
        going = PackedNames.of(self.objects, withdrawn)
        found = {
            number
            for number, name in self._references.missing(going.others.numbers())
            if name in gone
        }
        if going:
            found.update(
                number
                for number in going.others.numbers()
                if any(map(going.flags.__getitem__, self._references.present(number)))
            )
        return map(self.entry, sorted(found))

    def users(self, key: str, names: Container[str]) -> list[str]:
        """Return the hashes of those of some paths whose NAR certainly or perhaps is an object."""
        found = (entry.store_hash for entry in self.naming([key]))
        return sorted(name for name in found if name in names)
