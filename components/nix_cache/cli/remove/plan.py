"""Which objects go with some store paths, and which stay because others need them. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from nix_cache.cli.inventory.contents import Contents, Entry
from nix_cache.cli.inventory.entries import Entries
from nix_cache.cli.inventory.keys import Keys
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.formats.nar_url import NarUrl
from nix_cache.iam.lifecycle import NAR_PREFIX


@dataclass(frozen=True)
class RemovalPlan:
    """What a removal would do.

    Attributes:
        contents: what is in the bucket.
        named: the hashes of the paths that were asked for and are there.
        dependents: the hashes of the paths that are there and need one of these.
        names: the hashes of both.
        narinfos: the narinfos of both, each before those that it needs.
        nars: the keys of the NARs that go: of these paths, and of no other.
        past: the keys of NARs of these paths and of no other that are not there any more, and of
            which the bucket may keep versions.
        shared: the keys of the NARs that stay, and the hashes of paths that use them too.
        elsewhere: by the hash of a path, the URL of its NAR, which is not certain or not below
            ``nar/``.
    """

    contents: Contents
    named: PackedNames
    dependents: PackedNames
    names: PackedNames
    narinfos: Entries
    nars: Keys
    past: tuple[str, ...]
    shared: Mapping[str, list[str]]
    elsewhere: Mapping[str, str]


def plan_removal(
    contents: Contents, wanted: Collection[str], earlier_nars: Iterable[str] = ()
) -> RemovalPlan:
    """Return what a removal would do.

    Args:
        contents: what is there.
        wanted: the hashes of the paths that were asked for.
        earlier_nars: the keys of further NARs of these paths, as earlier narinfos named them.
    """
    narinfos, nars = contents.narinfos, contents.nars
    named = PackedNames.of(narinfos.objects, wanted)
    going = narinfos.with_dependents(named)
    kept, gone = narinfos.named(going.others), narinfos.named(going)
    possible, foreign = gone.present, {key for key in contents.foreign if key in gone}
    past: set[str] = set()
    for key in map(_certain_key, earlier_nars):
        if (number := nars.find(key)) is not None:
            possible.flags[number] = 1
        elif key in contents.foreign:
            foreign.add(key)
        elif key and key not in kept:
            past.add(key)
    used = kept.present
    shared = [*(key for key in possible if key in used), *(key for key in foreign if key in kept)]
    entries = narinfos.dependents_first(going)
    return RemovalPlan(
        contents=contents,
        named=named,
        dependents=going.without(named),
        names=going,
        narinfos=entries,
        nars=Keys(possible.without(used), others=sorted(foreign.difference(shared))),
        past=tuple(sorted(past)),
        shared={key: narinfos.users(key, going.others) for key in sorted(shared)},
        elsewhere=dict(sorted(_elsewhere(entries))),
    )


def _certain_key(url: str) -> str:
    """Return the key of the object that a URL certainly names; empty if there is none."""
    return NarUrl.parse(url).key or ""


def _elsewhere(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """Yield the URLs that are not certain or not below ``nar/``, by the hash of the path."""
    for entry in entries:
        url = entry.url
        if url is not None and (url.key is None or not url.key.startswith(NAR_PREFIX)):
            yield entry.store_hash, url.text


def unreadable_others(contents: Contents, wanted: Collection[str]) -> list[Entry]:
    """Return the narinfos that cannot be read and were not asked for: what they need is unknown."""
    return [entry for entry in contents.unreadable if entry.store_hash not in wanted]
