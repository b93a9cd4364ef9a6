"""Objects that were listed again: what is as it was takes no memory again. Pure.

An object that is as it was keeps its number. What is new or has changed gets numbers after those of
the first listing.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain, compress

from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.stored import Stored


class Recognition:
    """Finds what is as it was, page by page of a listing.

    Args:
        base: the objects of the first listing.
        is_settled: returns whether an object that is as it was needs no second look.
    """

    def __init__(self, base: PackedObjects, is_settled: Callable[[int], bool]) -> None:
        self._base = base
        self._is_settled = is_settled
        self._there = bytearray(base.span)

    def changed(self, page: Iterable[tuple[str, Stored]]) -> list[tuple[str, Stored]]:
        """Note which objects on a page are as they were, and return the others.

        Args:
            page: names and objects.
        """
        base, last, changed = self._base, -1, []
        for name, stored in page:
            following = last + 1
            number = following if base.follows(following, name) else base.find(name)
            if number is not None:
                last = number
                if base.is_as(number, stored) and self._is_settled(number):
                    self._there[number] = 1
                    continue
            changed.append((name, stored))
        return changed

    def finished(self, later: PackedObjects) -> "RelistedObjects":
        """Return the objects of the whole listing.

        Args:
            later: those that are new or have changed.
        """
        return RelistedObjects(self._base, self._there, later)


class RelistedObjects(PackedObjects):
    """Objects by name.

    Args:
        base: the objects of the first listing.
        there: one byte for each of them: whether it is as it was.
        later: those that are new or have changed.
    """

    def __init__(self, base: PackedObjects, there: bytearray, later: PackedObjects) -> None:
        self._base = base
        self.there = there
        self.later = later
        self._first = base.span
        self._count = there.count(1) + len(later)

    def __len__(self) -> int:
        return self._count

    @property
    def base(self) -> PackedObjects:
        """The objects of the first listing, which have the same numbers."""
        return self._base

    @property
    def span(self) -> int:
        """All numbers are smaller than this."""
        return self._first + self.later.span

    @property
    def total_bytes(self) -> int:
        """How much room they take."""
        return sum(map(self.size, self.numbers()))

    @property
    def undated(self) -> list[str]:
        """The keys of objects without a usable date."""
        here = (
            self._base.key(number) for number in self._base.undated_numbers() if self.there[number]
        )
        return [*here, *self.later.undated]

    def numbers(self) -> Iterator[int]:
        """Return the numbers of the objects that are there."""
        later = range(self._first, self.span)
        return chain(compress(range(self._first), self.there), later)

    def flags(self) -> bytearray:
        """Return one byte for each number: whether the object is there."""
        return self.there + b"\1" * self.later.span

    def is_there(self, number: int) -> bool:
        """Return whether the object with a number is there."""
        return bool(self.there[number]) if number < self._first else number < self.span

    def places(self, name: str) -> set[int]:
        """Return all numbers that an object with a name has or had."""
        before = self._base.find(name)
        return ({before} if before is not None else set()) | {
            self._first + number for number in self.later.places(name)
        }

    def written_since(self, time: datetime) -> Iterator[int]:
        """Yield the numbers of what was written at a time or later, or has no usable date."""
        for number in self._base.written_since(time):
            if self.there[number]:
                yield number
        for number in self.later.written_since(time):
            yield self._first + number

    def find(self, name: str) -> int | None:
        """Return the number of an object; None if it is not among these."""
        number = self.later.find(name) if len(self.later) else None
        if number is not None:
            return self._first + number
        number = self._base.find(name)
        return number if number is not None and self.there[number] else None

    def name(self, number: int) -> str:
        """Return the name of an object."""
        first = self._first
        return self._base.name(number) if number < first else self.later.name(number - first)

    def key(self, number: int) -> str:
        """Return the key of an object."""
        first = self._first
        return self._base.key(number) if number < first else self.later.key(number - first)

    def size(self, number: int) -> int:
        """Return the size of an object in bytes."""
        first = self._first
        return self._base.size(number) if number < first else self.later.size(number - first)

    def written(self, number: int) -> datetime | None:
        """Return when an object was written; None if there is no usable date."""
        first = self._first
        return self._base.written(number) if number < first else self.later.written(number - first)

    def written_number(self, number: int) -> int:
        """Return the same as ``as_number`` does."""
        first = self._first
        if number < first:
            return self._base.written_number(number)
        return self.later.written_number(number - first)

    def etag(self, number: int) -> str:
        """Return the ETag of an object; empty if there is none."""
        first = self._first
        return self._base.etag(number) if number < first else self.later.etag(number - first)

    def state(self, number: int) -> tuple[int, int, str]:
        """Return size, date and ETag of an object, the date in a form for files."""
        first = self._first
        return self._base.state(number) if number < first else self.later.state(number - first)

    def stored(self, number: int) -> Stored:
        """Return an object."""
        first = self._first
        return self._base.stored(number) if number < first else self.later.stored(number - first)
