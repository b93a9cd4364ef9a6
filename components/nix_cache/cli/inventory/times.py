"""A time for each of many NARs, in little memory. Pure."""

from array import array
from collections.abc import ItemsView, Iterator, Mapping
from datetime import datetime

from nix_cache.cli.inventory.chosen import StoredObjects
from nix_cache.cli.inventory.columns import NO_TIME, as_time
from nix_cache.cli.inventory.objects import PackedObjects


class NarTimes(Mapping[str, datetime]):
    """A time for each of some NARs, by key.

    Args:
        nars: the NARs that are there.
        numbers: for each number of a NAR, the time as a number; ``NO_TIME`` for none.
    """

    def __init__(self, nars: PackedObjects, numbers: "array[int]") -> None:
        self._nars = nars
        self.times = numbers

    def __len__(self) -> int:
        return len(self.times) - self.times.count(NO_TIME)

    def __iter__(self) -> Iterator[str]:
        return map(self._nars.key, self.numbers())

    def __getitem__(self, key: str) -> datetime:
        number = self._nars.find(key)
        time = None if number is None else as_time(self.times[number])
        if time is None:
            raise KeyError(key)
        return time

    def items(self) -> ItemsView[str, datetime]:
        """Return keys and times."""
        return _Items(self)

    def key(self, number: int) -> str:
        """Return the key of a NAR."""
        return self._nars.key(number)

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of the NARs."""
        return (number for number, time in enumerate(self.times) if time != NO_TIME)

    @property
    def days(self) -> set[str]:
        """The days of the times, in ISO 8601."""
        length = 24 * 3600 * 10**6
        days = {time // length for time in self.times if time != NO_TIME}
        return {f"{as_time(day * length):%Y-%m-%d}" for day in days}

    @property
    def stored(self) -> StoredObjects:
        """The NARs."""
        return StoredObjects(self._nars, array("I", self.numbers()))

    def of_number(self, nars: PackedObjects, number: int) -> int:
        """Return the time of a NAR in another listing, as a number.

        Args:
            nars: the NARs by that listing.
            number: of the NAR there.
        """
        if nars.base is self._nars.base and number < nars.base.span:
            return self.times[number]
        found = self._nars.find(nars.name(number))
        return NO_TIME if found is None else self.times[found]


class _Items(ItemsView[str, datetime]):
    """Keys and times, without a search for each."""

    def __init__(self, times: NarTimes) -> None:
        super().__init__(times)
        self._times = times

    def __iter__(self) -> Iterator[tuple[str, datetime]]:
        for number in self._times.numbers():
            time = as_time(self._times.times[number])
            assert time is not None
            yield self._times.key(number), time
