"""What a collection removes now, what it removes later, and what stays. Pure.

Narinfos go first. A NAR goes when none has named it for a time of grace, as clients believe a
narinfo for a while after it is gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from nix_cache.client.gc.contents import Contents, Entry, Stored, nar_name
from nix_cache.client.gc.marking import closure, dependents_first, missing_references

YOUNG = timedelta(days=1)
"""What is younger may belong to a push under way, which puts NARs and listings before narinfos."""

Orphans = Mapping[str, datetime]
"""By the key of each NAR that no narinfo names, since when that is known."""


@dataclass(frozen=True)
class Terms:
    """What is to be collected.

    Attributes:
        now: the time of this run.
        older_than: what was written within this time before is a root.
        grace: how long a NAR outlives its last narinfo.
        roots: the hashes of further roots.
    """

    now: datetime
    older_than: timedelta
    grace: timedelta
    roots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a collection would do.

    Attributes:
        contents: what is there.
        narinfos: those that go, each before those that it needs.
        listings: the lists of files that go.
        nars: those that go.
        waiting: the NARs that no narinfo names any more, and when each of them may go.
        missing: what paths that stay refer to and is not there, by their hash.
        absent_roots: the named roots that are not there.
    """

    contents: Contents
    narinfos: tuple[Entry, ...]
    listings: tuple[Stored, ...]
    nars: tuple[Stored, ...]
    waiting: Mapping[str, datetime]
    missing: Mapping[str, list[str]]
    absent_roots: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes now."""
        return not (self.narinfos or self.listings or self.nars)

    @property
    def share(self) -> float:
        """How much of the narinfos goes: 0 to 1."""
        return len(self.narinfos) / len(self.contents.narinfos) if self.narinfos else 0.0


def plan_collection(contents: Contents, noted: Orphans, terms: Terms) -> Plan:
    """What a collection of these contents would do.

    Args:
        contents: what is there.
        noted: the orphans of earlier runs.
        terms: what is to be collected.
    """
    graph = {name: entry.references for name, entry in contents.narinfos.items()}
    live = closure([*_recent(contents, terms), *terms.roots], graph)
    staying = {name: contents.narinfos[name] for name in live}
    before = orphans(contents, contents.narinfos.values(), noted, terms.now)
    after = orphans(contents, staying.values(), before, terms.now)
    nars = due(contents, after, terms)
    gone = {nar.key for nar in nars}
    return Plan(
        contents=contents,
        narinfos=tuple(
            contents.narinfos[name] for name in dependents_first(graph.keys() - live, graph)
        ),
        listings=stray_listings(contents, staying, terms.now),
        nars=nars,
        waiting={
            key: max(since + terms.grace, contents.nars[key].written + YOUNG)
            for key, since in after.items()
            if key not in gone
        },
        missing=missing_references(live, graph),
        absent_roots=tuple(name for name in terms.roots if name not in graph),
    )


def orphans(
    contents: Contents, narinfos: Iterable[Entry], noted: Orphans, now: datetime
) -> dict[str, datetime]:
    """The NARs that none of some narinfos names, and since when that is known.

    What was noted of others is dropped: whoever names a NAR again ends its time as an orphan.

    Args:
        contents: what is there.
        narinfos: those that count.
        noted: the orphans so far.
        now: the time of this run, since when further ones are orphans.
    """
    named = {entry.nar for entry in narinfos}
    return {
        key: max(min(noted.get(key, now), now), nar.written)
        for key, nar in contents.nars.items()
        if nar_name(key) not in named
    }


def due(contents: Contents, orphaned: Orphans, terms: Terms) -> tuple[Stored, ...]:
    """The orphans whose time of grace is over.

    None as long as a narinfo cannot be read: nobody knows which NAR it names.
    """
    if contents.unreadable:
        return ()
    return tuple(
        contents.nars[key]
        for key, since in sorted(orphaned.items())
        if since + terms.grace <= terms.now and not _is_young(contents.nars[key], terms.now)
    )


def stray_listings(
    contents: Contents, narinfos: Mapping[str, Entry], now: datetime
) -> tuple[Stored, ...]:
    """The lists of files that belong to none of some narinfos."""
    return tuple(
        listing
        for name, listing in sorted(contents.listings.items())
        if name not in narinfos and not _is_young(listing, now)
    )


def _recent(contents: Contents, terms: Terms) -> list[str]:
    """What is a root by its age; what cannot be read is one at any age."""
    return [
        name
        for name, entry in contents.narinfos.items()
        if entry.fault is not None or terms.now - entry.stored.written <= terms.older_than
    ]


def _is_young(stored: Stored, now: datetime) -> bool:
    return now - stored.written < YOUNG
