"""Which objects go with some store paths, and which stay because others need them. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from nix_cache.cli.inventory.contents import Contents, Entry
from nix_cache.cli.inventory.entries import Entries
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
    narinfos: Entries
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
    narinfos = contents.narinfos
    named = frozenset(name for name in wanted if name in narinfos)
    going = narinfos.with_dependents(named)
    kept = narinfos.named(going.others)
    entries = narinfos.dependents_first(going)
    urls = {entry.store_hash: url for entry in entries if (url := entry.url) is not None}
    earlier = {url.key: url for url in map(NarUrl.parse, earlier_nars) if url.key is not None}
    possible = {*narinfos.named(going).keys(), *(key for key in earlier if key in contents.nars)}
    possible |= _foreign(contents, [*urls.values(), *earlier.values()])
    shared = {key for key in possible if key in kept}
    return RemovalPlan(
        contents=contents,
        named=named,
        dependents=frozenset(going - named),
        narinfos=entries,
        nars=tuple(sorted(possible - shared)),
        past=tuple(sorted(key for key in earlier if key not in kept and key not in possible)),
        shared={key: narinfos.users(key, going.others) for key in sorted(shared)},
        elsewhere={
            name: url.text
            for name, url in sorted(urls.items())
            if url.key is None or not url.key.startswith("nar/")
        },
    )


def _foreign(contents: Contents, urls: Iterable[NarUrl]) -> set[str]:
    """Return the objects without the name of a NAR that some URLs may name."""
    of_these = NamedObjects(urls)
    return {key for key in contents.foreign if key in of_these}


def unreadable_others(contents: Contents, wanted: Collection[str]) -> list[Entry]:
    """Return the narinfos that cannot be read and were not asked for: what they need is unknown."""
    return [entry for entry in contents.unreadable if entry.store_hash not in wanted]
