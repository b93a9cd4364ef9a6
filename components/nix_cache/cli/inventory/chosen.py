"""Some of many packed objects: each is made when it is asked for. Pure."""

from array import array
from collections.abc import Callable, ItemsView, Iterator, Sequence, ValuesView
from typing import TYPE_CHECKING, overload

from nix_cache.cli.inventory.stored import Stored

if TYPE_CHECKING:
    from nix_cache.cli.inventory.objects import PackedObjects


class NumberedItems(ItemsView[str, Stored]):
    """Names and objects, without a search for each."""

    def __init__(self, objects: "PackedObjects", item: Callable[[int], tuple[str, Stored]]) -> None:
        super().__init__(objects)
        self._objects = objects
        self._item = item

    def __iter__(self) -> Iterator[tuple[str, Stored]]:
        return map(self._item, self._objects.numbers())


class NumberedValues(ValuesView[Stored]):
    """Objects of a mapping, without a search for each."""

    def __init__(self, objects: "PackedObjects", item: Callable[[int], Stored]) -> None:
        super().__init__(objects)
        self._objects = objects
        self._item = item

    def __iter__(self) -> Iterator[Stored]:
        return map(self._item, self._objects.numbers())


class StoredObjects(Sequence[Stored]):
    """Some objects in some order, each made when it is asked for.

    Args:
        objects: all objects.
        numbers: of these.
    """

    def __init__(self, objects: "PackedObjects", numbers: "array[int]") -> None:
        self._objects = objects
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Stored: ...
    @overload
    def __getitem__(self, place: slice) -> "StoredObjects": ...
    def __getitem__(self, place: int | slice) -> "Stored | StoredObjects":
        if isinstance(place, slice):
            return StoredObjects(self._objects, self.numbers[place])
        return self._objects.stored(self.numbers[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def also_in(self, shown: "StoredObjects") -> "StoredObjects":
        """Return those that are among some objects of another listing, and are as they were."""
        mine, theirs = self._objects, shown._objects
        flags = bytearray(theirs.span)
        for number in shown.numbers:
            flags[number] = 1
        found = array("I")
        for number in self.numbers:
            if mine.base is theirs.base and number < mine.base.span:
                is_shown = bool(flags[number])
            else:
                other = theirs.find(mine.name(number))
                is_shown = (
                    other is not None
                    and bool(flags[other])
                    and theirs.state(other) == mine.state(number)
                )
            if is_shown:
                found.append(number)
        return StoredObjects(mine, found)

    def keys(self) -> Iterator[str]:
        """Yield their keys."""
        return map(self._objects.key, self.numbers)

    @property
    def total_bytes(self) -> int:
        """How much room they take."""
        return sum(map(self._objects.size, self.numbers))
