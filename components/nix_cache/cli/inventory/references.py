"""Which objects of a bucket refer to which, in little memory: as numbers. Pure."""

from array import array
from collections.abc import Collection, Iterable, Iterator

from nix_cache.cli.inventory.objects import PackedObjects


class PackedReferences:
    """The references of some objects, each of which has a number.

    An object that is referred to and is not there has a number after all others.

    Args:
        objects: the objects as they are listed.
    """

    def __init__(self, objects: PackedObjects) -> None:
        self._objects = objects
        self._starts = array("I", [0]) * len(objects)
        self._counts = array("H", [0]) * len(objects)
        self._numbers = array("I")
        self._absent: list[str] = []
        self._absent_numbers: dict[str, int] = {}

    def put(self, number: int, names: Collection[str]) -> None:
        """Add what an object refers to. It is added once."""
        self._starts[number] = len(self._numbers)
        self._counts[number] = len(names)
        self._numbers.extend(map(self.number, names))

    def number(self, name: str) -> int:
        """Return the number of an object, also of one that is not there."""
        number = self._objects.find(name)
        if number is not None:
            return number
        absent = self._absent_numbers.setdefault(name, len(self._absent))
        if absent == len(self._absent):
            self._absent.append(name)
        return len(self._objects) + absent

    def all(self, number: int) -> "array[int]":
        """Return the numbers of what an object refers to."""
        start = self._starts[number]
        return self._numbers[start : start + self._counts[number]]

    def present(self, number: int) -> Iterator[int]:
        """Yield the numbers of what an object refers to and that is there."""
        count = len(self._objects)
        return (other for other in self.all(number) if other < count)

    def absent(self, number: int) -> Iterator[str]:
        """Yield the names of what an object refers to and that is not there."""
        count = len(self._objects)
        return (self._absent[other - count] for other in self.all(number) if other >= count)

    def names(self, number: int) -> Iterator[str]:
        """Yield the names of what an object refers to."""
        count = len(self._objects)
        for other in self.all(number):
            yield self._objects.name(other) if other < count else self._absent[other - count]

    def closure(self, roots: Iterable[int]) -> bytearray:
        """Return one byte for each object: whether it is a root, or a root refers to it.

        It may do so through others.

        Args:
            roots: their numbers.
        """
        flags = bytearray(len(self._objects))
        for root in roots:
            if flags[root]:
                continue
            flags[root] = 1
            waiting = [root]
            while waiting:
                for other in self.present(waiting.pop()):
                    if not flags[other]:
                        flags[other] = 1
                        waiting.append(other)
        return flags
