"""Many objects of a bucket in little memory: columns of bytes in place of Python objects. Pure.

A million objects as Python objects take 400 MB, in these columns 70 to 100 MB. Names are held in
one sorted text. Groups of names with the same beginning are searched by ``bytes.find``.
"""

import re
from array import array
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from datetime import UTC, datetime, timedelta

from nix_cache.cli.inventory.stored import Stored

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNDATED = -(2**63)
_ETAG = re.compile(r'"([0-9a-f]{32})"')
_NO_ETAG = bytes(16)
_GROUPED_CHARACTERS = 3
_SEARCHED_NAMES = 64
"""Names of one group that are searched at once. A million hashes have 30 in each group."""

_END = b"\n"


class Columns:
    """Objects in the order of their names, as they are listed."""

    def __init__(self) -> None:
        self.names = bytearray()
        self.positions = array("Q")
        self.sizes = array("Q")
        self.written = array("q")
        self.etags = bytearray()
        self.other_etags: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.sizes)

    def add(self, name: str, stored: Stored) -> None:
        """Add an object.

        Args:
            name: of it, in ASCII and without line ends; greater than all names so far.
            stored: the object.
        """
        if found := _ETAG.fullmatch(stored.etag):
            self.etags += bytes.fromhex(found[1])
        else:
            self.etags += _NO_ETAG
            self.other_etags[len(self)] = stored.etag
        self.positions.append(len(self.names))
        self.names += name.encode("ascii") + _END
        self.sizes.append(stored.size)
        self.written.append(as_number(stored.written))

    def extend(self, later: "Columns") -> None:
        """Add the objects of other columns, whose names are greater."""
        shift, count = len(self.names), len(self)
        self.other_etags |= {count + at: etag for at, etag in later.other_etags.items()}
        self.positions.extend(position + shift for position in later.positions)
        self.names += later.names
        self.sizes.extend(later.sizes)
        self.written.extend(later.written)
        self.etags += later.etags


class PackedObjects(Mapping[str, Stored]):
    """Objects by name. Each also has a number: its place in the order of names.

    Args:
        columns: what they are.
        ending: what follows the name in the key.
        common: what all names begin with.
    """

    def __init__(self, columns: Columns, ending: str = "", common: str = "") -> None:
        self._columns = columns
        self._ending = ending
        self._group = slice(len(common), len(common) + _GROUPED_CHARACTERS)
        self._text = bytes(_END + columns.names)
        columns.names = bytearray()
        self._positions = columns.positions
        self._positions.append(len(self._text) - 1)
        self._groups: dict[str, int] = {}
        self._starts = array("Q")
        self._index()

    @classmethod
    def of(
        cls, objects: Mapping[str, Stored], ending: str = "", common: str = ""
    ) -> "PackedObjects":
        """Return some objects by name."""
        columns = Columns()
        for name in sorted(objects):
            columns.add(name, objects[name])
        return cls(columns, ending, common)

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[str]:
        return map(self.name, range(len(self)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> Stored:
        if (number := self.find(name)) is None:
            raise KeyError(name)
        return self.stored(number)

    def items(self) -> ItemsView[str, Stored]:
        """Return names and objects."""
        return NumberedItems(self, len(self), lambda at: (self.name(at), self.stored(at)))

    def values(self) -> ValuesView[Stored]:
        """Return the objects."""
        return NumberedValues(self, len(self), self.stored)

    @property
    def total_bytes(self) -> int:
        """How much room they take."""
        return sum(self._columns.sizes)

    @property
    def undated(self) -> list[str]:
        """The keys of objects without a usable date."""
        written = self._columns.written
        return [self.key(at) for at in range(len(self)) if written[at] == _UNDATED]

    def written_since(self, time: datetime) -> Iterator[int]:
        """Yield the numbers of what was written at a time or later, or has no usable date."""
        limit = as_number(time)
        for number, written in enumerate(self._columns.written):
            if written >= limit or written == _UNDATED:
                yield number

    def find(self, name: str) -> int | None:
        """Return the number of an object; None if it is not among these."""
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
        return None if place < 0 else first + self._text.count(_END, begin, place)

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

    def stored(self, number: int) -> Stored:
        """Return an object."""
        return Stored(self.key(number), self.size(number), self.written(number), self.etag(number))

    def _index(self) -> None:
        last = ""
        for number in range(len(self)):
            name = self.name(number)
            if number and name <= last:
                raise ValueError(f"{name} is not in the order of names")
            last = name
            group = name[self._group]
            if group not in self._groups:
                self._groups[group] = len(self._starts)
                self._starts.append(number)
        self._starts.append(len(self))


class NumberedItems(ItemsView[str, Stored]):
    """Names and objects of a mapping, without a search for each."""

    def __init__(
        self, mapping: Mapping[str, Stored], count: int, item: Callable[[int], tuple[str, Stored]]
    ) -> None:
        super().__init__(mapping)
        self._count = count
        self._item = item

    def __iter__(self) -> Iterator[tuple[str, Stored]]:
        return map(self._item, range(self._count))


class NumberedValues(ValuesView[Stored]):
    """Objects of a mapping, without a search for each."""

    def __init__(
        self, mapping: Mapping[str, Stored], count: int, item: Callable[[int], Stored]
    ) -> None:
        super().__init__(mapping)
        self._count = count
        self._item = item

    def __iter__(self) -> Iterator[Stored]:
        return map(self._item, range(self._count))


def joined(parts: Iterable[Columns]) -> Columns:
    """Return columns of all objects of some parts, each of which has greater names."""
    found = Columns()
    for part in parts:
        found.extend(part)
    return found


def as_number(time: datetime | None) -> int:
    """Return a time in microseconds, or what stands for none."""
    return _UNDATED if time is None else (time - _EPOCH) // _MICROSECOND


def as_time(number: int) -> datetime | None:
    """Return the time of a number that ``as_number`` returned."""
    return None if number == _UNDATED else _EPOCH + timedelta(microseconds=number)
