"""Which objects of a bucket refer to which, in little memory: as numbers. Pure."""

from array import array
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import accumulate, compress, islice
from typing import cast

from nix_cache.cli.inventory.objects import PackedObjects


class PackedReferences:
    """The references of some objects, each of which has a number.

    An object that is referred to and is not there has a number after all others.

    Args:
        objects: the objects as they are listed.
        base: the references by the first listing, if the objects were listed again. What was as it
            was keeps its references.
    """

    def __init__(self, objects: PackedObjects, base: "PackedReferences | None" = None) -> None:
        self._objects = objects
        self._base: PackedReferences = self if base is None else base
        self._first = 0 if base is None else base._objects.span
        own = objects.span - self._first
        self._starts = array("I", [0]) * own
        self._counts = array("H", [0]) * own
        self._numbers = array("I")
        self._absent: list[str] = []
        self._absent_numbers: dict[str, int] = {}

    def put(self, number: int, names: Collection[str]) -> None:
        """Add what an object refers to. It is added once."""
        own = number - self._first
        self._starts[own] = len(self._numbers)
        self._counts[own] = len(names)
        self._numbers.extend(map(self._number, names))

    def restore(self, first: int, counts: "array[int]", names: list[str]) -> None:
        """Add what objects refer to whose numbers follow each other.

        Args:
            first: the number of the first of them.
            counts: how many references each has.
            names: the references of all.
        """
        own = slice(first - self._first, first - self._first + len(counts))
        starts = accumulate(counts, initial=len(self._numbers))
        self._starts[own] = array("I", islice(starts, len(counts)))
        self._counts[own] = counts
        found = self._objects.find_all(names)
        numbers = map(self._number, names) if None in found else cast("list[int]", found)
        self._numbers += array("I", numbers)

    def present(self, number: int) -> Iterator[int]:
        """Yield the numbers of what an object refers to and that is there."""
        if number >= self._first:
            span = self._objects.span
            return (other for other in self._all(number) if other < span)
        return self._present_again(number)

    def absent(self, number: int) -> Iterator[str]:
        """Yield the names of what an object refers to and that is not there."""
        if number >= self._first:
            if not self._absent:
                return iter(())
            span = self._objects.span
            return (self._absent[other - span] for other in self._all(number) if other >= span)
        return self._absent_again(number)

    def names(self, number: int) -> Iterator[str]:
        """Yield the names of what an object refers to."""
        if number < self._first:
            return self._base.names(number)
        return map(self._name, self._all(number))

    def closure(self, roots: Iterable[int]) -> bytearray:
        """Return one byte for each number: whether it is a root, or a root refers to it.

        It may do so through others.

        Args:
            roots: their numbers.
        """
        flags = bytearray(self._objects.span)
        for root in roots:
            flags[root] = 1
        if flags == self._objects.flags():
            return flags
        for root in compress(range(len(flags)), bytes(flags)):
            waiting = array("I", [root])
            while waiting:
                for other in self.present(waiting.pop()):
                    if not flags[other]:
                        flags[other] = 1
                        waiting.append(other)
        return flags

    def dependents_first(self, flags: bytes | bytearray) -> "array[int]":
        """Return the numbers of some objects, each before those that it refers to.

        A circle, which Nix does not make, is cut somewhere.

        Args:
            flags: one byte for each number: whether it is among these.
        """
        needed_first = array("I")
        left = bytearray(flags)
        for start in compress(range(len(flags)), bytes(flags)):
            waiting = array("Q", [2 * start])  # it may hold most references
            while waiting:
                number, is_done = divmod(waiting.pop(), 2)
                if is_done:
                    needed_first.append(number)
                elif left[number]:
                    left[number] = 0
                    waiting.append(2 * number + 1)
                    waiting.extend(2 * other for other in self.present(number) if left[other])
        needed_first.reverse()
        return needed_first

    def with_dependents(self, flags: bytes | bytearray) -> bytearray:
        """Return one byte for each number: whether it is among some objects, or refers to one.

        It may do so through others.

        Args:
            flags: the same of the objects alone.
        """
        found = bytearray(flags)
        is_complete = False
        while not is_complete:
            is_complete = True
            for number in self._objects.numbers():
                if not found[number] and any(found[one] for one in self.present(number)):
                    found[number], is_complete = 1, False
        return found

    def missing(self, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Yield the numbers of some objects, each with the name of what is not there."""
        for number in () if self._are_present else numbers:
            for name in self.absent(number):
                yield number, name

    @property
    def _are_present(self) -> bool:
        """Whether all that the objects refer to is certainly there."""
        return self._base is self and not self._absent

    def _number(self, name: str) -> int:
        """Return the number of an object, also of one that is not there."""
        number = self._objects.find(name)
        if number is not None:
            return number
        absent = self._absent_numbers.setdefault(name, len(self._absent))
        if absent == len(self._absent):
            self._absent.append(name)
        return self._objects.span + absent

    def _name(self, number: int) -> str:
        """Return the name of an object, also of one that is not there."""
        span = self._objects.span
        return self._objects.name(number) if number < span else self._absent[number - span]

    def _all(self, number: int) -> "array[int]":
        """Return the numbers of what an object refers to, by the listing in which it was read."""
        if number < self._first:
            return self._base._all(number)
        start = self._starts[number - self._first]
        return self._numbers[start : start + self._counts[number - self._first]]

    @cached_property
    def _moved(self) -> dict[int, int]:
        """The numbers of what is new or has changed, by those that the first listing uses."""
        moved = {}
        for number in range(self._first, self._objects.span):
            name = self._objects.name(number)
            before = self._base._objects.find(name)
            if before is None and (absent := self._base._absent_numbers.get(name)) is not None:
                before = self._first + absent
            if before is not None:
                moved[before] = number
        return moved

    def _present_again(self, number: int) -> Iterator[int]:
        first, moved, is_there = self._first, self._moved, self._objects.is_there
        for other in self._all(number):
            if other < first and is_there(other):
                yield other
            elif other in moved:
                yield moved[other]

    def _absent_again(self, number: int) -> Iterator[str]:
        first, moved, is_there = self._first, self._moved, self._objects.is_there
        for other in self._all(number):
            if not (other < first and is_there(other)) and other not in moved:
                yield self._base._name(other)
