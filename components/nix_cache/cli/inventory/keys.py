"""Keys of many objects in little memory: a byte for each object of a listing. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.inventory.objects import PackedObjects


class Keys(Collection[str]):
    """Keys of objects: of some in listings, and others.

    Args:
        listed: objects of listings. They have no common key.
        others: the keys of other objects.
    """

    def __init__(self, *listed: PackedNames, others: Iterable[str] = ()) -> None:
        self._listed = listed
        self._others = dict.fromkeys(others)

    @classmethod
    def of(cls, objects: PackedObjects, keys: Iterable[str]) -> "Keys":
        """Return some keys, most of which are those of the objects of a listing."""
        found, others = PackedNames(objects, bytearray(objects.span)), dict[str, None]()
        for key in keys:
            if (number := objects.find_key(key)) is None:
                others[key] = None
            else:
                found.flags[number] = 1
        return cls(found, others=others)

    def __len__(self) -> int:
        return sum(map(len, self._listed)) + len(self._others)

    def __iter__(self) -> Iterator[str]:
        return chain(*(one.keys() for one in self._listed), self._others)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (key in self._others or _is_listed(key, self._listed))

    def plus(self, *more: "Keys") -> "Keys":
        """Return these and more keys. No key is listed twice."""
        listed = [one for keys in (self, *more) for one in keys._listed]
        others = (key for keys in (self, *more) for key in keys._others)
        return Keys(*listed, others=(key for key in others if not _is_listed(key, listed)))

    def only(self, fits: Callable[[str], bool]) -> "Keys":
        """Return those that fit."""
        listed = (one.only(fits) for one in self._listed)
        return Keys(*listed, others=filter(fits, self._others))


def _is_listed(key: str, listed: Iterable[PackedNames]) -> bool:
    return any(one.has_key(key) for one in listed)
