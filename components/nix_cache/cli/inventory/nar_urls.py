"""Which NAR each narinfo names, in little memory: the number of a listed one, or a URL. Pure."""

from array import array
from collections.abc import Callable, Collection, Iterator

from nix_cache.cli.inventory.names import Named, PackedNames
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.formats.nar_url import NamedObjects, NarUrl
from nix_cache.iam.lifecycle import NAR_PREFIX

_UNREAD = 2**32 - 1
_ELSEWHERE = 2**32 - 2
"""In the place of a NAR's number: the URL is in ``_others``, or there is none."""


class NarUrls:
    """The URLs of NARs by the numbers of the narinfos that name them.

    Args:
        objects: the narinfos as they are listed.
        nars: the NARs as they are listed.
        base: the URLs by the first listing, if the narinfos were listed again. What was as it was
            keeps its URL.
    """

    def __init__(
        self, objects: PackedObjects, nars: PackedObjects, base: "NarUrls | None" = None
    ) -> None:
        self._objects = objects
        self._nars = nars
        self._base: NarUrls = self if base is None else base
        self._first = 0 if base is None else base._objects.span
        self._numbers = array("I", [_UNREAD]) * (objects.span - self._first)
        self._others: dict[int, NarUrl] = {}

    def put(self, number: int, url: str, parsed: Callable[[], NarUrl] | None = None) -> None:
        """Add the URL that a narinfo states. It is added once.

        Args:
            number: of the narinfo.
            url: of its NAR.
            parsed: returns the same, parsed; None if it is still to be parsed.
        """
        nar = self._nars.find(url)
        if nar is None:
            self._others[number] = parsed() if parsed else NarUrl.parse(url)
        self._numbers[number - self._first] = _ELSEWHERE if nar is None else nar

    def put_none(self, number: int) -> None:
        """Note that a narinfo was read and states no URL that is known."""
        self._numbers[number - self._first] = _ELSEWHERE

    def restore(self, first: int, urls: list[str]) -> None:
        """Add the URLs of narinfos whose numbers follow each other.

        Args:
            first: the number of the first of them.
            urls: of their NARs.
        """
        own = slice(first - self._first, first - self._first + len(urls))
        nars = self._nars.find_all(urls)
        for at, url in enumerate(urls) if None in nars else ():
            if nars[at] is None:
                self._others[first + at] = NarUrl.parse(url)
        self._numbers[own] = array("I", (_ELSEWHERE if nar is None else nar for nar in nars))

    def is_read(self, number: int) -> bool:
        """Return whether it was added what a narinfo states, even if it cannot be read."""
        return number < self._first or self._numbers[number - self._first] != _UNREAD

    def url(self, number: int) -> NarUrl:
        """Return the URL that a narinfo states."""
        if number < self._first:
            return self._base.url(number)
        nar = self._numbers[number - self._first]
        return NarUrl.parse(self._nars.key(nar)) if nar < _ELSEWHERE else self._others[number]

    def named(self, names: PackedNames) -> Named:
        """Return what some narinfos may name as their NARs."""
        flags = bytearray(self._nars.span)
        for number in names.numbers():
            if (nar := self._nar_of(number)) < _ELSEWHERE:
                flags[nar] = 1
        # What was put again has another number.
        for nar in range(self._nars.base.span, self._nars.span):
            flags[nar] = any(map(flags.__getitem__, self._nars.places(self._nars.name(nar))))
        others = NamedObjects(url for number, url in self._other_urls() if names.flags[number])
        return Named(self._nars, flags, others)

    def missing(self, names: PackedNames) -> dict[str, str]:
        """Return the keys of NARs below ``nar/`` that some narinfos name and that are not listed.

        Returns:
            the key by the hash of the narinfo's path.
        """
        keys = ((number, url.key) for number, url in self._other_urls() if names.flags[number])
        missing = {number: key for number, key in keys if key and key.startswith(NAR_PREFIX)}
        if self._nars.base is not self._nars:
            for number in names.numbers():
                nar = self._nar_of(number)
                if nar < _ELSEWHERE and not self._nars.is_there(nar):
                    missing[number] = self._nars.key(nar)
        absent = ((number, key) for number, key in sorted(missing.items()) if key not in self._nars)
        return {self._objects.name(number): key for number, key in absent}

    def naming(self, keys: Collection[str]) -> Iterator[int]:
        """Yield the numbers of narinfos whose NAR certainly or perhaps is one of some objects."""
        wanted = set[int]().union(*map(self._nars.places, keys))
        urls = dict(self._other_urls())
        for number in self._objects.numbers() if keys else ():
            url = urls.get(number)
            if self._nar_of(number) in wanted or (url and any(map(url.may_name, keys))):
                yield number

    def _nar_of(self, number: int) -> int:
        if number < self._first:
            return self._base._nar_of(number)
        return self._numbers[number - self._first]

    def _other_urls(self) -> Iterator[tuple[int, NarUrl]]:
        """Yield the URLs of NARs that were not listed, by the number of the narinfo."""
        if self._first:
            for number, url in self._base._other_urls():
                if self._objects.is_there(number):
                    yield number, url
        yield from self._others.items()
