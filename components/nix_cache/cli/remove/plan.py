"""Which objects go with some store paths, and which stay because others need them. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from nix_cache.cli.inventory.contents import Contents, Entry
from nix_cache.cli.inventory.ordering import dependents_first
from nix_cache.formats.nar_url import NamedObjects, NarUrl


@dataclass(frozen=True)
class RemovalPlan:
    """What a removal would do.

    Attributes:
        contents: what is in the bucket.
        named: the hashes of the paths that were asked for and are there.
        dependents: the hashes of the paths that are there and need one of these.
        narinfos: the narinfos of both, each before those that it needs.
        nars: the keys of the NARs that go: of these paths, and of no other.
        past: the keys of NARs of these paths and of no other that are not there any more, and of
            which the bucket may keep versions.
        shared: the keys of the NARs that stay, and the hashes of paths that use them too.
        elsewhere: by the hash of a path, the URL of its NAR, which is not certain or not below
            ``nar/``.
    """

    contents: Contents
    named: frozenset[str]
    dependents: frozenset[str]
    narinfos: tuple[Entry, ...]
    nars: tuple[str, ...]
    past: tuple[str, ...]
    shared: Mapping[str, list[str]]
    elsewhere: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        """The hashes of all paths that go."""
        return self.named | self.dependents


def plan_removal(
    contents: Contents, wanted: Collection[str], earlier_nars: Iterable[str] = ()
) -> RemovalPlan:
    """Return what a removal would do.

    Args:
        contents: what is there.
        wanted: the hashes of the paths that were asked for.
        earlier_nars: the keys of further NARs of these paths, as earlier narinfos named them.
    """
    named = frozenset(name for name in wanted if name in contents.narinfos)
    going = _with_dependents(named, contents)
    order = dependents_first(going, lambda name: contents.narinfos[name].references)
    kept = [entry for name, entry in contents.narinfos.items() if name not in going]
    kept_urls = NamedObjects(entry.url for entry in kept if entry.url is not None)
    urls = {name: url for name in going if (url := contents.narinfos[name].url) is not None}
    earlier = {url.key: url for url in map(NarUrl.parse, earlier_nars) if url.key is not None}
    of_these = NamedObjects([*urls.values(), *earlier.values()])
    possible = [key for key in (*contents.nars, *contents.foreign) if key in of_these]
    shared = {key for key in possible if key in kept_urls}
    return RemovalPlan(
        contents=contents,
        named=named,
        dependents=going - named,
        narinfos=tuple(contents.narinfos[name] for name in order),
        nars=tuple(sorted(key for key in possible if key not in shared)),
        past=tuple(sorted(key for key in earlier if key not in kept_urls and key not in possible)),
        shared={key: _users(key, kept) for key in sorted(shared)},
        elsewhere={
            name: url.text
            for name, url in sorted(urls.items())
            if url.key is None or not url.key.startswith("nar/")
        },
    )


def unreadable_others(contents: Contents, wanted: Collection[str]) -> list[Entry]:
    """Return the narinfos that cannot be read and were not asked for: what they need is unknown."""
    return [entry for entry in contents.unreadable if entry.store_hash not in wanted]


def _with_dependents(names: Iterable[str], contents: Contents) -> frozenset[str]:
    dependents: dict[str, list[str]] = {}
    for name, entry in contents.narinfos.items():
        for other in entry.references:
            dependents.setdefault(other, []).append(name)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += dependents.get(name, ())
    return frozenset(found)


def _users(key: str, entries: Iterable[Entry]) -> list[str]:
    return sorted(
        entry.store_hash for entry in entries if entry.url is not None and entry.url.may_name(key)
    )
