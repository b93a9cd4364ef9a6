"""What a collection removes now, what it removes later, and what stays. Pure.

Narinfos go first. A NAR goes when none has named it for a time of grace, as clients believe a
narinfo for a while after it is gone. Nothing goes as long as a narinfo cannot be read: what it
needs is not known.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from nix_cache.cli.inventory.chosen import StoredObjects
from nix_cache.cli.inventory.columns import NO_TIME, as_number, as_span
from nix_cache.cli.inventory.contents import YOUNG, Contents, Entry, Stored
from nix_cache.cli.inventory.entries import Entries
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.inventory.roots import left_to_upstream
from nix_cache.cli.inventory.strays import stray_listings, stray_realisations, stray_records
from nix_cache.cli.inventory.terms import Terms, blocking
from nix_cache.cli.inventory.times import NarTimes

Orphans = Mapping[str, datetime]
"""By the key of each NAR that no narinfo names, since when that is known."""


@dataclass(frozen=True)
class CollectionPlan:
    """What a collection would do.

    Attributes:
        contents: what is there.
        narinfos: those that go, each before those that it needs.
        listings: the lists of files that go.
        nars: those that go.
        waiting: the NARs that no narinfo names any more, and when each of them may go.
        missing: what paths that stay refer to and is not there, by their hash.
        absent_roots: the named roots that are not there.
        missing_nars: the key of the NAR of each path that stays and whose NAR is not there, by the
            path's hash.
        blocking: the narinfos that cannot be read and were not set aside. While there is one,
            nothing goes.
        set_aside: the narinfos that cannot be read and were set aside.
        records: the root records that go, those that are too old or superseded; and the objects of
            pins that go.
        absent_pins: the names of pins whose store path is not there, by its hash.
        realisations: those that go, as no path that stays has any use for them.
        unreadable_realisations: by key, why a realisation cannot be read; it stays.
    """

    contents: Contents
    narinfos: Entries
    listings: StoredObjects
    nars: StoredObjects
    waiting: NarTimes
    missing: Mapping[str, list[str]]
    absent_roots: tuple[str, ...]
    missing_nars: Mapping[str, str]
    blocking: tuple[Entry, ...]
    set_aside: tuple[Entry, ...]
    records: tuple[Stored, ...] = ()
    absent_pins: Mapping[str, str] = field(default_factory=dict)
    realisations: tuple[Stored, ...] = ()
    unreadable_realisations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes now."""
        return not (self.narinfos or any(True for _ in self.others))

    @property
    def others(self) -> Iterator[Stored]:
        """What goes besides narinfos."""
        return chain(self.listings, self.realisations, self.nars, self.records)

    @property
    def share(self) -> float:
        """How much of the narinfos goes: 0 to 1."""
        return len(self.narinfos) / len(self.contents.narinfos) if self.narinfos else 0.0


def plan_collection(
    contents: Contents,
    noted: Orphans,
    terms: Terms,
    realisations: PackedRealisations | None = None,
    also: PackedNames | None = None,
) -> CollectionPlan:
    """Return what a collection of these contents would do.

    Args:
        contents: what is there.
        noted: the orphans of earlier runs.
        terms: what is to be collected.
        realisations: those that are there; None to leave them out.
        also: narinfos that stay in any case; None for no further ones.
    """
    narinfos = contents.narinfos
    realisations = realisations or PackedRealisations()
    in_the_way = blocking(contents, terms)
    live = narinfos.all if in_the_way else _live(contents, terms, also)
    before = orphans(contents, narinfos.all, noted, terms.now)
    going = live.others
    after = orphans(contents, live, before, terms.now) if going else before
    nars = due(contents, after, terms)
    upstream = left_to_upstream(terms.pushes)
    return CollectionPlan(
        contents=contents,
        narinfos=narinfos.dependents_first(going),
        listings=stray_listings(contents, live, terms),
        nars=nars,
        waiting=_waiting(contents, after, nars, terms),
        missing=narinfos.missing_references(live, upstream),
        absent_roots=tuple(name for name in terms.roots if name not in narinfos),
        missing_nars=_missing_nars(contents, live),
        blocking=in_the_way,
        set_aside=tuple(
            entry for entry in contents.unreadable if entry.store_hash in terms.set_aside
        ),
        records=stray_records(contents, live, terms),
        absent_pins={
            name: pin for name, pin in sorted(terms.pinned.items()) if name not in narinfos
        },
        realisations=stray_realisations(realisations, contents, live, terms),
        unreadable_realisations={
            realisations.objects.key(at): fault for at, fault in sorted(realisations.faults.items())
        },
    )


def orphans(contents: Contents, names: PackedNames, noted: Orphans, now: datetime) -> NarTimes:
    """Return the NARs that none of some narinfos may name, and since when that is known.

    What was noted of others is dropped: a NAR that is named again is no longer an orphan.

    Args:
        contents: what is there.
        names: the narinfos that count.
        noted: the orphans so far.
        now: the time of this run, since when further ones are orphans.
    """
    nars, present = contents.nars, as_number(now)
    known = noted if isinstance(noted, NarTimes) else None
    times = array("q", [NO_TIME]) * nars.span
    for number in contents.narinfos.named(names).unnamed():
        if known is not None:
            since = known.of_number(nars, number)
        else:
            since = as_number(noted.get(nars.key(number)))
        written = nars.written_number(number)
        since = present if since == NO_TIME else min(since, present)
        times[number] = max(since, present if written == NO_TIME else written)
    return NarTimes(nars, times)


def due(contents: Contents, orphaned: NarTimes, terms: Terms) -> StoredObjects:
    """Return the orphans whose time of grace is over; none while a narinfo cannot be read."""
    nars, found = contents.nars, array("I")
    if not blocking(contents, terms):
        latest = as_number(terms.now - terms.grace)
        settled = as_number(terms.now - YOUNG)
        for number in orphaned.numbers():
            written = nars.written_number(number)
            if orphaned.times[number] <= latest and written != NO_TIME and written <= settled:
                found.append(number)
    return StoredObjects(nars, found)


def _waiting(
    contents: Contents, orphaned: NarTimes, going: StoredObjects, terms: Terms
) -> NarTimes:
    """Return the orphans that do not go now, and when each of them may."""
    nars, times = contents.nars, array("q", orphaned.times)
    for number in going.numbers:
        times[number] = NO_TIME
    present, grace, young = as_number(terms.now), as_span(terms.grace), as_span(YOUNG)
    for number, since in enumerate(times):
        if since != NO_TIME:
            written = nars.written_number(number)
            settled = (present if written == NO_TIME else written) + young
            times[number] = max(since + grace, settled)
    return NarTimes(nars, times)


def _live(contents: Contents, terms: Terms, also: PackedNames | None) -> PackedNames:
    """Return what stays: roots, and what they need.

    What cannot be read, or has no date, is a root at any age.
    """
    recent = contents.narinfos.recent(terms.now - terms.older_than)
    numbers = chain(recent, also.numbers() if also else ())
    return contents.narinfos.closure([*terms.roots, *terms.pinned, *terms.pushed], numbers)


def _missing_nars(contents: Contents, names: PackedNames) -> dict[str, str]:
    """Only NARs below ``nar/`` were listed. Of others nothing is known."""
    missing = contents.narinfos.missing_nars(names)
    return {name: key for name, key in missing.items() if key not in contents.foreign}
