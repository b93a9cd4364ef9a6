"""Collections of a simulated bucket, decided by the plan of `nix-cache gc` itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.retention.bucket import SimulatedBucket, WrittenObject
from bench.retention.team import Closure, StorePath
from nix_cache.cli.inventory.contents import Contents, Entry, Stored
from nix_cache.cli.inventory.plan import Orphans, orphans, plan_collection
from nix_cache.cli.inventory.roots import Pushed
from nix_cache.cli.inventory.terms import Terms
from nix_cache.formats.nar_url import NarUrl
from nix_cache.formats.own_objects import ROOTS_PREFIX
from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS

_START = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""Day 0. Pushes are at noon, collections in the night after."""


@dataclass
class Collector:
    """`nix-cache gc` with one set of options.

    Attributes:
        older_than_days: the option of that name.
        noted: since when NARs have no narinfo, as the ledger in the bucket.
        records: root records of pushes.
        entries: narinfos that were read before, by hash; those with the same date are used again.
    """

    older_than_days: int
    noted: Orphans = field(default_factory=dict)
    records: dict[str, Pushed] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    def record(self, closure: Closure, day: int) -> None:
        """Write the root record of a push."""
        stored = Stored(f"{ROOTS_PREFIX}{day:06d}-{closure[-1].hash}.json", 2000, _time(day))
        paths = frozenset(path.hash for path in closure)
        self.records[stored.key] = Pushed(stored, paths, frozenset())

    def collect(self, bucket: SimulatedBucket, day: int, pinned: Iterable[str]) -> None:
        """Run once, in the night after a day; ``pinned`` are hashes of paths to keep."""
        now = _time(day) + timedelta(hours=15)
        terms = Terms(
            now=now,
            older_than=timedelta(days=self.older_than_days),
            grace=timedelta(days=NARINFO_TTL_DAYS),
            roots=tuple(pinned),
            pushes=tuple(self.records.values()),
        )
        plan = plan_collection(self._contents(bucket), self.noted, terms)
        for entry in plan.narinfos:
            bucket.delete_narinfo(entry.store_hash)
        for nar in plan.nars:
            bucket.delete_nar(nar.key)
        for record in plan.records:
            del self.records[record.key]
        left = self._contents(bucket)
        self.noted = orphans(left, left.narinfos.all, self.noted, now)

    def _contents(self, bucket: SimulatedBucket) -> Contents:
        self.entries = {
            name: self._entry(path, written) for name, (path, written) in bucket.narinfos.items()
        }
        nars = {key: Stored(key, nar.size, _time(nar.day)) for key, nar in bucket.nars.items()}
        return Contents.of(self.entries, {}, nars)

    def _entry(self, path: StorePath, written: WrittenObject) -> Entry:
        known = self.entries.get(path.hash)
        if known is not None and known.stored.written == _time(written.day):
            return known
        stored = Stored(path.narinfo_key, written.size, _time(written.day))
        return Entry(stored, frozenset(path.references), NarUrl.parse(path.nar_key))


def _time(day: int) -> datetime:
    return _START + timedelta(days=day)
