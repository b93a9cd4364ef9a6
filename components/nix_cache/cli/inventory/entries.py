"""Some of the narinfos of a bucket: each is made when it is asked for. Pure."""

from array import array
from collections.abc import ItemsView, Iterator, Sequence, ValuesView
from typing import TYPE_CHECKING, overload

from nix_cache.cli.inventory.chosen import StoredObjects
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.inventory.stored import Entry

if TYPE_CHECKING:
    from nix_cache.cli.inventory.narinfos import PackedNarinfos


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
    def stored(self) -> StoredObjects:
        """Their objects."""
        return StoredObjects(self._narinfos.objects, self._numbers)

    @property
    def names(self) -> PackedNames:
        """The hashes of their store paths, in no order."""
        flags = bytearray(self._narinfos.objects.span)
        for number in self._numbers:
            flags[number] = 1
        return PackedNames(self._narinfos.objects, flags)

    @property
    def total_bytes(self) -> int:
        """How much room the narinfos take."""
        return self.stored.total_bytes


class EntryItems(ItemsView[str, Entry]):
    """Hashes and narinfos, without a search for each."""

    def __init__(self, narinfos: "PackedNarinfos") -> None:
        super().__init__(narinfos)
        self._narinfos = narinfos

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        for number in self._narinfos.objects.numbers():
            yield self._narinfos.objects.name(number), self._narinfos.entry(number)


class EntryValues(ValuesView[Entry]):
    """Narinfos, without a search for each."""

    def __init__(self, narinfos: "PackedNarinfos") -> None:
        super().__init__(narinfos)
        self._narinfos = narinfos

    def __iter__(self) -> Iterator[Entry]:
        return map(self._narinfos.entry, self._narinfos.objects.numbers())
