"""The removal itself, in an order in which the cache is whole wherever it stops.

Before each step the bucket is listed again: what was pushed meanwhile, and what that needs, stays.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from nix_cache.client.gc.bucket import Bucket
from nix_cache.client.gc.contents import (
    Contents,
    Entry,
    Stored,
    nar_name,
    narinfos_among,
    total_bytes,
)
from nix_cache.client.gc.ledger import Ledger
from nix_cache.client.gc.plan import (
    Orphans,
    Plan,
    Terms,
    due,
    orphans,
    plan_collection,
    stray_listings,
)


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
    """

    narinfos: tuple[Stored, ...] = ()
    listings: tuple[Stored, ...] = ()
    nars: tuple[Stored, ...] = ()
    hidden: int = 0
    withdrawn: tuple[Entry, ...] = ()
    incomplete: tuple[Entry, ...] = ()

    @property
    def freed_bytes(self) -> int:
        """How much room that was."""
        return total_bytes([*self.narinfos, *self.listings, *self.nars])


def sweep(bucket: Bucket, shown: Plan, noted: Orphans, terms: Terms) -> Swept:
    """Remove what was shown, as far as nobody needs it by now, and note what has to wait.

    Args:
        bucket: the cache's.
        shown: what was agreed to; nothing else is removed.
        noted: the orphans of earlier runs.
        terms: what is to be collected.

    Raises:
        ClientError: the storage refused. The cache is whole, and another run goes on.
    """
    if shown.is_empty:
        everything = shown.contents.narinfos.values()
        bucket.note(Ledger.of(orphans(shown.contents, everything, noted, terms.now)))
        return Swept()
    start = bucket.contents(shown.contents)
    agreed = narinfos_among(entry.stored for entry in shown.narinfos)
    others = (name for name in start.narinfos if name not in agreed)
    again = plan_collection(start, noted, replace(terms, roots=(*terms.roots, *others)))
    narinfos = tuple(entry.stored for entry in again.narinfos)
    hidden = bucket.remove([stored.key for stored in narinfos])

    orphaned = orphans(start, start.narinfos.values(), noted, terms.now)
    middle = bucket.contents(start)
    orphaned = orphans(middle, middle.narinfos.values(), orphaned, terms.now)
    bucket.note(Ledger.of(orphaned))
    listings = _agreed(stray_listings(middle, middle.narinfos, terms.now), shown.listings)
    nars = _agreed(due(middle, orphaned, terms), shown.nars)
    hidden += bucket.remove([stored.key for stored in (*listings, *nars)])

    done = Swept(narinfos, listings, nars, hidden)
    return _mended(bucket, bucket.contents(middle), done)


def _agreed(objects: Collection[Stored], shown: Collection[Stored]) -> tuple[Stored, ...]:
    keys = {stored.key for stored in shown}
    return tuple(stored for stored in objects if stored.key in keys)


def _mended(bucket: Bucket, left: Contents, done: Swept) -> Swept:
    """What a push put while its foundation went: found, and taken back where it is of no use."""
    gone_nars = {nar_name(stored.key) for stored in done.nars if stored.key not in left.nars}
    withdrawn = {name: entry for name, entry in left.narinfos.items() if entry.nar in gone_nars}
    bucket.remove([entry.stored.key for entry in withdrawn.values()])
    staying = left.narinfos.keys() - withdrawn.keys()
    gone = {*withdrawn, *narinfos_among(done.narinfos)} - staying
    incomplete = [left.narinfos[name] for name in staying if left.narinfos[name].references & gone]
    return replace(done, withdrawn=tuple(withdrawn.values()), incomplete=tuple(incomplete))
