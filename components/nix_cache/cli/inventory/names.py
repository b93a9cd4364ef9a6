"""Some of the objects of a bucket, and the NARs that narinfos name: a byte for each. Pure."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet

from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.formats.nar_url import NamedObjects


class PackedNames(AbstractSet[str]):
    """Some of the objects of a bucket by name: of narinfos, the hash of the store path.

    Args:
        objects: all of them as they are listed.
        flags: one byte for each number: whether it is among these.
    """

    def __init__(self, objects: PackedObjects, flags: bytearray) -> None:
        self._objects = objects
        self.flags = flags

    @classmethod
    def of(cls, objects: PackedObjects, names: Iterable[str]) -> "PackedNames":
        """Return those of some names that are there."""
        flags = bytearray(objects.span)
        for name in names:
            if (number := objects.find(name)) is not None:
                flags[number] = 1
        return cls(objects, flags)

    def __len__(self) -> int:
        return self.flags.count(1)

    def __iter__(self) -> Iterator[str]:
        return map(self._objects.name, self.numbers())

    def __contains__(self, name: object) -> bool:
        number = self._objects.find(name) if isinstance(name, str) else None
        return number is not None and bool(self.flags[number])

    def numbers(self) -> Iterator[int]:
        """Yield their numbers, the smallest first."""
        number = self.flags.find(1)
        while number >= 0:
            yield number
            number = self.flags.find(1, number + 1)

    def add(self, key: str) -> None:
        """Add the object with a key, which is listed."""
        number = self._objects.find_key(key)
        assert number is not None
        self.flags[number] = 1

    def ordered(self) -> Iterator[str]:
        """Yield them in the order of names. What was listed again has later numbers."""
        first = self._objects.base.span
        runs = (range(first), range(first, len(self.flags)))
        name, flags = self._objects.name, self.flags
        return heapq.merge(*(map(name, filter(flags.__getitem__, run)) for run in runs))

    def keys(self) -> Iterator[str]:
        """Yield the keys of the objects."""
        return map(self._objects.key, self.numbers())

    def has_key(self, key: str) -> bool:
        """Return whether an object with a key is among these."""
        number = self._objects.find_key(key)
        return number is not None and bool(self.flags[number])

    def only(self, fits: Callable[[str], bool]) -> "PackedNames":
        """Return those whose key fits."""
        flags = bytearray(len(self.flags))
        for number in self.numbers():
            flags[number] = fits(self._objects.key(number))
        return PackedNames(self._objects, flags)

    def without(self, names: "PackedNames") -> "PackedNames":
        """Return these without some others of the same listing."""
        left = int.from_bytes(self.flags) & ~int.from_bytes(names.flags)
        return PackedNames(self._objects, bytearray(left.to_bytes(len(self.flags))))

    @property
    def others(self) -> "PackedNames":
        """The objects that are not among these."""
        every = int.from_bytes(self._objects.flags())
        left = every ^ int.from_bytes(self.flags)
        return PackedNames(self._objects, bytearray(left.to_bytes(len(self.flags))))

    def within(self, objects: PackedObjects) -> "PackedNames":
        """Return those that are in another listing, too.

        Args:
            objects: of that listing.
        """
        mine = self._objects
        if mine.base is not objects.base:
            return PackedNames.of(objects, self)
        first = mine.base.span
        flags = objects.flags()
        both = int.from_bytes(flags[:first]) & int.from_bytes(self.flags[:first])
        flags[:first] = both.to_bytes(first)
        for number in range(first, objects.span):
            flags[number] = objects.name(number) in self
        for number in range(first, len(self.flags)):
            if self.flags[number] and (found := objects.find(mine.name(number))) is not None:
                flags[found] = 1
        return PackedNames(objects, flags)

    def missing_in(self, objects: PackedObjects) -> Iterator[str]:
        """Yield those that are not in another listing."""
        has_numbers = self._objects.base is objects.base
        first = objects.base.span if has_numbers else 0
        for number in self.numbers():
            if number < first and objects.is_there(number):
                continue
            if objects.find(name := self._objects.name(number)) is None:
                yield name

    @classmethod
    def _from_iterable(cls, names: Iterable[str]) -> AbstractSet[str]:  # type: ignore[override]
        return frozenset(names)


class Named:
    """The objects that some narinfos may name as their NARs.

    Args:
        nars: the NARs in the bucket.
        flags: one byte for each number of a NAR: whether it is certainly named.
        others: what other URLs may name.
    """

    def __init__(self, nars: PackedObjects, flags: bytearray, others: NamedObjects) -> None:
        self._nars = nars
        self._flags = flags
        self._others = others

    def __contains__(self, key: str) -> bool:
        return any(map(self._flags.__getitem__, self._nars.places(key))) or key in self._others

    @property
    def present(self) -> PackedNames:
        """The NARs that are there and named."""
        flags = self._nars.flags()
        for number in self.unnamed():
            flags[number] = 0
        return PackedNames(self._nars, flags)

    def unnamed(self) -> Iterator[int]:
        """Yield the numbers of the NARs that are there and not named."""
        for number in self._nars.numbers():
            if not self._flags[number] and not (
                self._others and self._nars.key(number) in self._others
            ):
                yield number
