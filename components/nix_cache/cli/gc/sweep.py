"""The removal itself, in an order in which the cache is whole wherever it stops.

Before each step the bucket is listed again: what was pushed meanwhile, and what that needs, stays.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from nix_cache.cli.inventory.bucket import Bucket, Doubt
from nix_cache.cli.inventory.chosen import StoredObjects
from nix_cache.cli.inventory.contents import (
    Contents,
    Entry,
    Stored,
    narinfos_among,
    total_bytes,
)
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.inventory.plan import CollectionPlan, Orphans, due, orphans, plan_collection
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.inventory.strays import stray_listings, stray_realisations, stray_records
from nix_cache.cli.inventory.terms import Terms, blocking
from nix_cache.cli.s3.clock import require_same_time

AGES_MEAN_NOTHING = "the ages of objects mean nothing; nothing was removed"
"""What follows from clocks that cannot be compared."""

_MOST_ASKED = 1000
"""NARs that are not listed and are asked for. Of more, some are not there."""


@dataclass(frozen=True)
class Swept:
    """What was removed.

    Attributes:
        narinfos: those that went.
        listings: the lists of files that went.
        nars: the NARs that went.
        hidden: how many of these objects the storage still keeps, as old versions.
        withdrawn: narinfos that were pushed meanwhile for a NAR that had just gone, and that
            therefore went too.
        incomplete: narinfos that were pushed meanwhile and need a path that had just gone.
        without_nar: narinfos that were pushed meanwhile and may name a NAR that had just gone.
        blocking: narinfos that could not be read while it went on, and that stopped it.
        records: the root records and the objects of pins that went.
        realisations: those that went.
        lost_realisations: the keys of those among them whose path was pushed meanwhile.
    """

    narinfos: Sequence[Stored] = ()
    listings: Sequence[Stored] = ()
    nars: Sequence[Stored] = ()
    hidden: int = 0
    withdrawn: tuple[Entry, ...] = ()
    incomplete: tuple[Entry, ...] = ()
    without_nar: tuple[Entry, ...] = ()
    blocking: tuple[Entry, ...] = ()
    records: tuple[Stored, ...] = ()
    realisations: tuple[Stored, ...] = ()
    lost_realisations: tuple[str, ...] = ()

    @property
    def others(self) -> Iterator[Stored]:
        """What went besides narinfos."""
        return chain(self.listings, self.realisations, self.nars, self.records)

    @property
    def freed_bytes(self) -> int:
        """How much room that was."""
        return total_bytes(chain(self.narinfos, self.others))

    @property
    def is_well(self) -> bool:
        """Whether it could go on, and no push lost anything."""
        lost = self.withdrawn or self.incomplete or self.without_nar or self.lost_realisations
        return not (lost or self.blocking)


def sweep(bucket: Bucket, shown: CollectionPlan, noted: Orphans, terms: Terms) -> Swept:
    """Remove what was shown, as far as nothing needs it by now, and note what has to wait.

    Args:
        bucket: the cache's.
        shown: what was agreed to; nothing else is removed.
        noted: the orphans of earlier runs.
        terms: what is to be collected.

    Raises:
        ClientError: the storage refused, or its clock is wrong. The cache is whole, and another run
            goes on.
    """
    with bucket.collecting() as doubt:
        return _sweep(bucket, shown, noted, terms, doubt)


def _sweep(
    bucket: Bucket, shown: CollectionPlan, noted: Orphans, terms: Terms, doubt: Doubt
) -> Swept:
    bucket.records.note(noted)
    require_same_time(bucket.storage_clocks(), AGES_MEAN_NOTHING)
    if shown.is_empty:
        everything = shown.contents.narinfos.all
        bucket.records.note(orphans(shown.contents, everything, noted, terms.now))
        if doubt.remains:  # what was shown may be older than the collection that left the doubt
            doubt.remains = _lacks_nars(bucket, bucket.contents(shown.contents))
        return Swept()
    # Pushes write their root record before they look for the note of this collection.
    terms = replace(terms, pushes=bucket.records.pushes(), pins=bucket.records.pins(terms.now))
    start = bucket.contents(shown.contents)
    agreed = shown.narinfos.names.within(start.narinfos.objects)
    again = plan_collection(start, noted, terms, also=agreed.others)
    if again.blocking:
        return Swept(blocking=again.blocking)
    require_whole(bucket, again)
    narinfos = again.narinfos.stored
    hidden = bucket.remove(narinfos.keys(), len(narinfos))

    gone = again.narinfos.names
    orphaned = orphans(start, start.narinfos.all, noted, terms.now)
    middle = bucket.contents(start, gone)
    orphaned = orphans(middle, middle.narinfos.all, orphaned, terms.now)
    if in_the_way := blocking(middle, terms):
        return Swept(narinfos, hidden=hidden, blocking=in_the_way)
    bucket.records.note(orphaned)
    everything = middle.narinfos.all
    listings = _agreed(stray_listings(middle, everything, terms), shown.listings)
    nars = _agreed(due(middle, orphaned, terms), shown.nars)
    records = _agreed_objects(stray_records(middle, everything, terms), shown.records)
    # Pushes that root records do not show put realisations when this collection has ended.
    known = bucket.records.realisations() if shown.realisations else PackedRealisations()
    useless = stray_realisations(known, middle, everything, terms)
    realisations = _agreed_objects(useless, shown.realisations)
    done = Swept(narinfos, listings, nars, hidden, records=records, realisations=realisations)
    count = len(listings) + len(realisations) + len(nars) + len(records)
    hidden += bucket.remove((stored.key for stored in done.others), count)

    left = bucket.contents(middle)
    done = replace(
        done,
        hidden=hidden,
        blocking=blocking(left, terms),
        lost_realisations=_lost_realisations(bucket, left, known, realisations),
    )
    mended = _mended(bucket, left, done, gone)
    doubt.remains = _lacks_nars(bucket, left, mended) or bool(done.lost_realisations)
    return mended


def _lost_realisations(
    bucket: Bucket, left: Contents, known: PackedRealisations, gone: Collection[Stored]
) -> tuple[str, ...]:
    """Return the keys of realisations that went and whose path was pushed meanwhile."""
    keys = [one.key for one in gone if known.path_of(one.key) in left.narinfos]
    return tuple(sorted(bucket.absent(keys)))


def _lacks_nars(bucket: Bucket, contents: Contents, done: Swept | None = None) -> bool:
    """Return whether a narinfo names a NAR that is not there."""
    withdrawn = narinfos_among(entry.stored for entry in done.withdrawn) if done else ()
    left = contents.narinfos.without(withdrawn)
    keys = set(contents.narinfos.missing_nars(left).values()) - contents.foreign
    return len(keys) > _MOST_ASKED or bool(bucket.absent(keys))


def require_whole(bucket: Bucket, plan: CollectionPlan) -> None:
    """Make sure that paths that a plan takes for absent are not in the bucket.

    Raises:
        ClientError: the bucket has one that it does not list, so it may hide others too.
    """
    references = (name for names in plan.missing.values() for name in names)
    bucket.require_absent({*references, *plan.absent_roots, *plan.absent_pins})


def _agreed(objects: StoredObjects, shown: StoredObjects) -> StoredObjects:
    """Those of some objects that were shown and were not written again since."""
    return objects.also_in(shown)


def _agreed_objects(objects: Collection[Stored], shown: Collection[Stored]) -> tuple[Stored, ...]:
    """Those of some objects that were shown and were not written again since."""
    known = {stored.key: stored for stored in shown}
    return tuple(stored for stored in objects if known.get(stored.key) == stored)


def _mended(bucket: Bucket, left: Contents, done: Swept, gone: PackedNames) -> Swept:
    """Find what was pushed while its references went, and remove it where it is of no use.

    Args:
        bucket: the cache's.
        left: what is there.
        done: what was removed.
        gone: the paths whose narinfos went.
    """
    named = left.narinfos.named()
    keys = (stored.key for stored in done.nars)
    # The list of NARs is older than that of narinfos: one may have been put in between.
    gone_nars = bucket.absent([key for key in keys if key in named])
    withdrawn, doubtful = list[Entry](), list[Entry]()
    for entry in left.narinfos.naming(gone_nars):
        is_certain = entry.url is not None and entry.url.key in gone_nars
        (withdrawn if is_certain else doubtful).append(entry)
    bucket.remove([entry.stored.key for entry in withdrawn])
    lost = {entry.store_hash for entry in withdrawn}
    incomplete = left.narinfos.needing(gone, lost)
    return replace(
        done,
        withdrawn=tuple(withdrawn),
        incomplete=tuple(incomplete),
        without_nar=tuple(doubtful),
    )
