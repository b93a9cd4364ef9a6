"""Many objects of a bucket in little memory: columns of bytes in place of Python objects. Pure.

A million objects as Python objects take 400 MB, in these columns 70 to 100 MB. Names are held in
one sorted text. Groups of names with the same beginning are searched by ``bytes.find``.
"""

import operator
from array import array
from collections.abc import (
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    ValuesView,
)
from datetime import datetime
from itertools import islice

from nix_cache.cli.inventory.chosen import NumberedItems, NumberedValues
from nix_cache.cli.inventory.columns import NO_TIME, Columns, as_number, as_time
from nix_cache.cli.inventory.stored import Stored

_GROUPED_CHARACTERS = 3
_SEARCHED_NAMES = 64
"""Names of one group that are searched at once. A million hashes have 30 in each group."""

_MOST_IN_DICT = 2**14
"""Of so many names, a dictionary has the numbers: it takes 3 MB, and a tenth of the time."""


class PackedObjects(Mapping[str, Stored]):
    """Objects by name. Each also has a number: its place in the order of names.

    Args:
        columns: what they are.
        ending: what follows the name in the key.
        common: what all names begin with.
    """

    def __init__(self, columns: Columns, ending: str = "", common: str = "") -> None:
        columns.complete()
        self._columns = columns
        self._ending = ending
        self._group = slice(len(common), len(common) + _GROUPED_CHARACTERS)
        self._text = columns.names
        self._positions = columns.positions
        self._numbers: dict[str, int] | None = {} if self.span <= _MOST_IN_DICT else None
        self._groups: dict[str, int] = {}
        self._starts = array("Q")
        self._index()

    @classmethod
    def of(
        cls, objects: Mapping[str, Stored], ending: str = "", common: str = ""
    ) -> "PackedObjects":
        """Return some objects by name."""
        named = [(name, objects[name]) for name in sorted(objects)]
        return cls(Columns.of(named), ending, common)

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[str]:
        return map(self.name, self.numbers())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> Stored:
        if (number := self.find(name)) is None:
            raise KeyError(name)
        return self.stored(number)

    def items(self) -> ItemsView[str, Stored]:
        """Return names and objects."""
        return NumberedItems(self, lambda at: (self.name(at), self.stored(at)))

    def values(self) -> ValuesView[Stored]:
        """Return the objects."""
        return NumberedValues(self, self.stored)

    @property
    def base(self) -> "PackedObjects":
        """The objects of the first listing, which have the same numbers."""
        return self

    @property
    def span(self) -> int:
        """All numbers are smaller than this."""
        return len(self._columns)

    def numbers(self) -> Iterable[int]:
        """Return the numbers of the objects that are there."""
        return range(self.span)

    def flags(self) -> bytearray:
        """Return one byte for each number: whether the object is there."""
        return bytearray(b"\1" * self.span)

    def is_there(self, number: int) -> bool:
        """Return whether the object with a number is there."""
        return number < self.span

    def places(self, name: str) -> set[int]:
        """Return all numbers that an object with a name has or had."""
        number = self.find(name)
        return set() if number is None else {number}

    @property
    def total_bytes(self) -> int:
        """How much room they take."""
        return sum(self._columns.sizes)

    @property
    def undated(self) -> list[str]:
        """The keys of objects without a usable date."""
        return list(map(self.key, self.undated_numbers()))

    def undated_numbers(self) -> Iterator[int]:
        """Yield the numbers of objects without a usable date."""
        return (at for at, written in enumerate(self._columns.written) if written == NO_TIME)

    def written_since(self, time: datetime) -> Iterator[int]:
        """Yield the numbers of what was written at a time or later, or has no usable date."""
        limit = as_number(time)
        for number, written in enumerate(self._columns.written):
            if written >= limit or written == NO_TIME:
                yield number

    def find(self, name: str) -> int | None:
        """Return the number of an object; None if it is not among these."""
        if self._numbers is not None:
            return self._numbers.get(name)
        group = self._groups.get(name[self._group])
        if group is None or not name.isascii() or "\n" in name:
            return None
        first, after = self._starts[group], self._starts[group + 1]
        while after - first > _SEARCHED_NAMES:
            middle = (first + after) // 2
            if self.name(middle) <= name:
                first = middle
            else:
                after = middle
        begin, end = self._positions[first], self._positions[after] + 1
        place = self._text.find(f"\n{name}\n".encode(), begin, end)
        return None if place < 0 else first + self._text.count(b"\n", begin, place)

    def find_all(self, names: list[str]) -> list[int | None]:
        """Return the numbers of some objects; None for those that are not among these."""
        return list(map(self.find if self._numbers is None else self._numbers.get, names))

    def find_key(self, key: str) -> int | None:
        """Return the number of the object with a key; None if it is not among these."""
        ending = self.base._ending
        return self.find(key.removesuffix(ending)) if key.endswith(ending) else None

    def name(self, number: int) -> str:
        """Return the name of an object."""
        positions = self._positions
        return self._text[positions[number] + 1 : positions[number + 1]].decode("ascii")

    def key(self, number: int) -> str:
        """Return the key of an object."""
        return self.name(number) + self._ending

    def size(self, number: int) -> int:
        """Return the size of an object in bytes."""
        return self._columns.sizes[number]

    def written(self, number: int) -> datetime | None:
        """Return when an object was written; None if there is no usable date."""
        return as_time(self._columns.written[number])

    def written_number(self, number: int) -> int:
        """Return the same as ``as_number`` does."""
        return self._columns.written[number]

    def etag(self, number: int) -> str:
        """Return the ETag of an object; empty if there is none."""
        other = self._columns.other_etags.get(number)
        if other is not None:
            return other
        return f'"{self._columns.etags[16 * number : 16 * number + 16].hex()}"'

    def state(self, number: int) -> tuple[int, int, str]:
        """Return size, date and ETag of an object, the date in a form for files."""
        columns = self._columns
        return columns.sizes[number], columns.written[number], self.etag(number)

    def is_as(self, number: int, stored: Stored) -> bool:
        """Return whether an object has the size, date and ETag of another one."""
        columns = self._columns
        return (
            columns.sizes[number] == stored.size
            and columns.written[number] == as_number(stored.written)
            and self.etag(number) == stored.etag
        )

    def are_as(self, first: int, sizes: "array[int]", written: "array[int]", etags: bytes) -> bool:
        """Return whether objects whose numbers follow each other have some sizes, dates and ETags.

        Args:
            first: the number of the first of them.
            sizes: in bytes.
            written: the dates as ``as_number`` returns them.
            etags: 16 bytes of each.
        """
        columns, after = self._columns, first + len(sizes)
        return (
            columns.etags[16 * first : 16 * after] == etags
            and columns.sizes[first:after] == sizes
            and columns.written[first:after] == written
            and columns.other_etags.keys().isdisjoint(range(first, after))
        )

    def follows(self, number: int, name: str) -> bool:
        """Return whether an object has a name. There may be no object with this number."""
        positions = self._positions
        if number + 1 >= len(positions):
            return False
        return self._text[positions[number] + 1 : positions[number + 1]] == name.encode()

    def stored(self, number: int) -> Stored:
        """Return an object."""
        return Stored(self.key(number), self.size(number), self.written(number), self.etag(number))

    def _index(self) -> None:
        if self._numbers is not None:
            names = self._text[1:-1].decode("ascii").split("\n") if self.span else []
            if not all(map(operator.lt, names, islice(names, 1, None))):
                raise ValueError("the names are not in their order")
            self._numbers.update(zip(names, range(self.span), strict=True))
            return
        last = ""
        for number in range(self.span):
            name = self.name(number)
            if name <= last:
                raise ValueError(f"{name} is not in the order of names")
            last = name
            group = name[self._group]
            if group not in self._groups:
                self._groups[group] = len(self._starts)
                self._starts.append(number)
        self._starts.append(self.span)
