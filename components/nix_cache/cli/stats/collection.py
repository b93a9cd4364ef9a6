"""What `nix-cache gc` would free, by the same plan that it makes before it deletes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.contents import Stored, total_bytes
from nix_cache.cli.inventory.ledger import Ledger
from nix_cache.cli.inventory.plan import plan_collection
from nix_cache.cli.inventory.terms import Terms
from nix_cache.cli.s3.clock import earlier, require_same_time


@dataclass(frozen=True)
class Freed:
    """Objects that a collection deletes.

    Attributes:
        narinfos: how many narinfos.
        nars: how many NARs.
        others: how many lists of files, realisations, root records and objects of pins.
        size_bytes: what all of them take.
    """

    narinfos: int = 0
    nars: int = 0
    others: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class Collectable:
    """What a collection would delete.

    Attributes:
        older_than_days: paths that were pushed within these days stay.
        grace_days: how long a NAR outlives its last narinfo.
        is_blocked: whether a narinfo that cannot be read keeps a collection from deleting anything.
        now: what a collection would delete now.
        later: what another one would delete after the grace period, if nothing is pushed.
    """

    older_than_days: int
    grace_days: int
    is_blocked: bool
    now: Freed
    later: Freed


def collectable(
    bucket: Bucket, older_than_days: int, grace_days: int, expire_after_days: int, now: datetime
) -> Collectable:
    """Return what a collection would delete. Nothing is written.

    Args:
        bucket: the cache's.
        older_than_days: paths that were pushed within these days stay.
        grace_days: how long a NAR outlives its last narinfo.
        expire_after_days: after so many days rules of the storage expire every path; 0 without
            such rules.
        now: the time by this machine's clock, which is compared with the storage's.

    Raises:
        ClientError: the storage refused or did not answer, or the clocks differ.
    """
    clocks = bucket.clocks()
    require_same_time(clocks, "--older-than cannot be compared with the dates of objects")
    now = earlier(now, clocks)
    terms = Terms(
        now=now,
        older_than=timedelta(days=older_than_days),
        grace=timedelta(days=grace_days),
        pushes=bucket.records.pushes(),
        pins=bucket.records.pins(now),
        expire_after_days=expire_after_days,
    )
    contents = bucket.contents()
    noted = (bucket.records.ledger() or Ledger()).since(contents.nars)
    plan = plan_collection(contents, noted, terms, bucket.records.realisations())
    if plan.blocking:
        return Collectable(older_than_days, grace_days, True, Freed(), Freed())
    others: Sequence[Stored] = (*plan.listings, *plan.realisations, *plan.records)
    gone = total_bytes(others) + plan.nars.total_bytes + plan.narinfos.total_bytes
    waiting = plan.waiting.stored.total_bytes
    return Collectable(
        older_than_days,
        grace_days,
        is_blocked=False,
        now=Freed(len(plan.narinfos), len(plan.nars), len(others), gone),
        later=Freed(nars=len(plan.waiting), size_bytes=waiting),
    )
