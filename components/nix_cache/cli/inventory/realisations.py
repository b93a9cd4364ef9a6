"""The realisations of a bucket in little memory: which store path each names. Pure.

A realisation takes 170 to 190 bytes. What cannot be read is kept, and never counts as read wrongly.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from operator import attrgetter

from nix_cache.cli.inventory.columns import Columns, joined
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.references import PackedReferences
from nix_cache.cli.inventory.rows import Rows
from nix_cache.cli.inventory.stored import Stored
from nix_cache.formats.realisation import SUFFIX, is_realisation_key

_HASH_BYTES = 32
_UNREAD = bytes(_HASH_BYTES)


def listed_realisations(page: Iterable[Stored]) -> Columns:
    """Return the realisations on a page of the listing."""
    return Columns.of(
        [
            (stored.key.removesuffix(SUFFIX), stored)
            for stored in sorted(page, key=attrgetter("key"))
            if is_realisation_key(stored.key)
        ]
    )


class PackedRealisations:
    """The realisations of a bucket, each with a number: its place in the order of keys.

    Args:
        pages: what is on each page of the listing.

    Attributes:
        objects: the realisations as they are listed, by key without ``.doi``.
        remembered: how many of them an earlier run on this machine read.
        faults: by number, why a realisation cannot be read, a clause without a subject.
    """

    def __init__(self, pages: Iterable[Columns] = ()) -> None:
        self.objects = PackedObjects(joined(pages), SUFFIX)
        self._identified = bytearray(len(self.objects))
        self.remembered = 0
        self.faults: dict[int, str] = {}
        self._paths = bytearray(_HASH_BYTES * len(self.objects))
        self._needed = PackedReferences(self.objects)

    def __len__(self) -> int:
        return len(self.objects)

    def put_read(self, number: int, needed: Collection[str], path: str, /) -> None:
        """Add what a realisation states. It is added once.

        Args:
            number: of the realisation.
            needed: the keys of the realisations that it needs, without ``.doi``.
            path: the hash of the store path that it names.
        """
        self._paths[_HASH_BYTES * number : _HASH_BYTES * (number + 1)] = path.encode("ascii")
        self._needed.put(number, needed)

    def restore(self, first: int, rows: Rows) -> None:
        """Add what realisations state that an earlier run read, and whose ETags are their hashes.

        Args:
            first: the number of the first of them. The others follow it.
            rows: what they state.
        """
        after = first + len(rows.names)
        self._paths[_HASH_BYTES * first : _HASH_BYTES * after] = "".join(rows.texts).encode("ascii")
        self._identified[first:after] = b"\1" * len(rows.names)
        self._needed.restore(first, rows.counts, rows.references)

    def identify(self, number: int) -> None:
        """Note that the ETag of a realisation is the hash of what was read."""
        self._identified[number] = 1

    def is_identified(self, number: int) -> bool:
        """Return whether the ETag of a realisation is the hash of what was read."""
        return bool(self._identified[number])

    def identified(self) -> Iterator[int]:
        """Yield the numbers of those whose ETag is the hash of what was read."""
        return filter(self.is_identified, self.objects.numbers())

    def is_read(self, number: int) -> bool:
        """Return whether it was added what a realisation states, even if it cannot be read."""
        return number in self.faults or self._path(number) != _UNREAD

    def statement(self, number: int) -> tuple[str, list[str]]:
        """Return the hash of the store path that a realisation names, and what it needs."""
        return self._path(number).decode("ascii"), list(self._needed.names(number))

    def path_of(self, key: str) -> str | None:
        """Return the hash of the store path that a realisation names; None if that is not known."""
        number = self.objects.find(key.removesuffix(SUFFIX))
        if number is None or number in self.faults or not self.is_read(number):
            return None
        return self._path(number).decode("ascii")

    def naming(self, is_wanted: Callable[[str], bool]) -> Iterator[tuple[Stored, str]]:
        """Yield the realisations that name one of some store paths, each with the path's hash.

        Args:
            is_wanted: returns whether a path is one of these, by its hash.
        """
        for number in range(len(self)):
            if number not in self.faults and self.is_read(number):
                path = self._path(number).decode("ascii")
                if is_wanted(path):
                    yield self.objects.stored(number), path

    def useless(
        self, is_kept: Callable[[str], bool], is_young: Callable[[Stored], bool]
    ) -> tuple[Stored, ...]:
        """Return the realisations that name no kept path and that no kept one needs.

        What cannot be read, or is young, is kept.

        Args:
            is_kept: whether a store path is kept, by its hash.
            is_young: whether an object may belong to a push under way.
        """

        def stays(number: int) -> bool:
            if number in self.faults or not self.is_read(number):
                return True
            path = self._path(number).decode("ascii")
            return is_kept(path) or is_young(self.objects.stored(number))

        flags = self._needed.closure(number for number in range(len(self)) if stays(number))
        return tuple(self.objects.stored(at) for at in range(len(self)) if not flags[at])

    def _path(self, number: int) -> bytes:
        return bytes(self._paths[_HASH_BYTES * number : _HASH_BYTES * (number + 1)])
