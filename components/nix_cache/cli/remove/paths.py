"""The store paths of many narinfos in little memory: one text. Pure."""

from array import array
from collections.abc import Iterable, Iterator, Mapping

from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.formats.narinfo import Narinfo

_END = b"\n"


class PackedPaths(Mapping[str, str]):
    """Store paths by their hash.

    Args:
        narinfos: the objects of which some are read.
    """

    def __init__(self, narinfos: PackedObjects) -> None:
        self._narinfos = narinfos
        self._starts = array("Q", [0]) * narinfos.span
        self._text = bytearray(_END)

    def held(self, narinfos: Iterable[Narinfo]) -> Iterator[Narinfo]:
        """Yield narinfos, and hold their store paths."""
        for narinfo in narinfos:
            number = self._narinfos.find(narinfo.base_name[:32])
            if number is not None:
                self._starts[number] = len(self._text)
                self._text += narinfo.store_path.encode() + _END
            yield narinfo

    def __getitem__(self, name: str) -> str:
        number = self._narinfos.find(name)
        if number is None or not (start := self._starts[number]):
            raise KeyError(name)
        return self._text[start : self._text.index(_END, start)].decode()

    def __iter__(self) -> Iterator[str]:
        return (self._narinfos.name(number) for number, at in enumerate(self._starts) if at)

    def __len__(self) -> int:
        return len(self._starts) - self._starts.count(0)
