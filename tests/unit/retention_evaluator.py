"""What a collection must keep, from what a bucket held over time: it shares no code with `gc`.

It reads root records and pins as docs/reference/cache-protocol.md describes them, and remembers
those that are deleted: a collection that deletes one too early does not change what is expected.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.unit.cli.s3_double import Held
from tests.unit.nix_evaluator import closure, needed_by

DAY = timedelta(days=1)
ROOTS, PINS = "nix-cache-roots/", "nix-cache-pins/"


def narinfos_of(objects: Iterable[str]) -> set[str]:
    """Return the keys of narinfos among some keys."""
    return {key for key in objects if key.endswith(".narinfo")}


@dataclass
class RetentionEvaluator:
    """The retention of one cache, over all of its collections.

    Attributes:
        older_than: what was pushed within this time is kept.
        records: all root records that were ever there.
        revisions: all revisions of pins that were ever there and that no rule has ended.
        left: the narinfos that some push left to an upstream cache, as long as a path needs them.
        ever_left: those that some push ever left to one; a record may be there still.
    """

    older_than: timedelta
    records: dict[str, Held] = field(default_factory=dict)
    revisions: dict[str, Held] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    ever_left: set[str] = field(default_factory=set)

    def observe(self, objects: Mapping[str, Held]) -> None:
        """Remember what is there before a collection."""
        for key, held in objects.items():
            if key.startswith(ROOTS) and key not in self.records:
                self.records[key] = held
                self.left |= _narinfos(_left_to_upstream(held))
                self.ever_left |= self.left
            elif key.startswith(PINS) and not key.endswith("/latest"):
                self.revisions.setdefault(key, held)

    def kept(self, objects: Mapping[str, Held], now: datetime, roots: Iterable[str]) -> set[str]:
        """Return the keys of narinfos and NARs that must stay: whole closures.

        Args:
            objects: what is there.
            now: the time of the collection.
            roots: the hashes of store paths that are named to stay.
        """
        wanted = {key for key in narinfos_of(objects) if self._is_recent(objects[key], now)}
        for record in self.records.values():
            if self._is_recent(record, now):
                wanted |= _narinfos(json.loads(record.content)["paths"])
        pinned = (_revision(held)["path"] for held in self._pinning(now).values())
        wanted |= _narinfos(path.rpartition("/")[2][:32] for path in pinned)
        return closure(wanted | _narinfos(roots), objects)

    def absent(self, narinfos: Iterable[str], objects: Mapping[str, Held]) -> set[tuple[str, str]]:
        """Return the references that are not there, each with its narinfo.

        Args:
            narinfos: the keys of those whose references count.
            objects: what is there.
        """
        return {(key, one) for key in narinfos for one in _absent(key, objects)}

    def realisations(
        self,
        objects: Mapping[str, Held],
        narinfos: Iterable[str],
        now: datetime,
        roots: Iterable[str],
    ) -> set[str]:
        """Return the keys of the realisations that must stay. All others must go.

        Args:
            objects: what is there before a collection.
            narinfos: the keys of those that stay.
            now: the time of the collection.
            roots: the hashes of store paths that are named to stay.
        """
        staying = set(narinfos)
        useful = staying | {one for _, one in self.absent(staying, objects)} | _narinfos(roots)
        for key, held in objects.items():
            if key.startswith(ROOTS):
                useful |= _narinfos(_left_to_upstream(held))
                if self._is_recent(held, now):
                    useful |= _narinfos(json.loads(held.content)["paths"])
        for held in self._pinning(now).values():
            useful.add(f"{_revision(held)['path'].rpartition('/')[2][:32]}.narinfo")
        there = {key: held for key, held in objects.items() if key.endswith(".doi")}
        waiting = [
            key
            for key, held in there.items()
            if f"{json.loads(held.content)['outPath'][:32]}.narinfo" in useful
            or now - held.written < DAY
        ]
        found: set[str] = set()
        while waiting:
            key = waiting.pop()
            if key in there and key not in found:
                found.add(key)
                needed = json.loads(there[key].content).get("dependentRealisations", {})
                waiting += [f"realisations/{one}.doi" for one in needed]
        return found

    def collected(self, objects: Mapping[str, Held], now: datetime) -> None:
        """Forget what a whole collection was entitled to delete.

        Args:
            objects: what is there after it.
            now: the time of the collection.
        """
        pinning = self._pinning(now)
        self.revisions = {
            key: held
            for key, held in self.revisions.items()
            if key in pinning or _revision(held)["path"] is None
        }
        needed = set[str]().union(*(_absent(key, objects) for key in narinfos_of(objects)))
        young = (held for held in self.records.values() if now - held.written < DAY)
        needed = needed.union(*(_narinfos(_left_to_upstream(held)) for held in young))
        self.left &= needed

    def _is_recent(self, held: Held, now: datetime) -> bool:
        return now - held.written <= self.older_than

    def _pinning(self, now: datetime) -> dict[str, Held]:
        """Return the revisions that keep their path."""
        found: dict[str, Held] = {}
        for name in {key.split("/")[1] for key in self.revisions}:
            current: list[str] = []
            for key in sorted(self.revisions, key=lambda key: (self.revisions[key].written, key)):
                if key.split("/")[1] == name:
                    ends = _revision(self.revisions[key])["path"] is None
                    current = [] if ends else [key, *current]
            if not current:
                continue
            rules = _revision(self.revisions[current[0]])
            count = rules.get("keepRevisions") or 1
            days = max(DAY, timedelta(days=rules.get("keepDays") or 0))
            for place, key in enumerate(current):
                if place < count or now - self.revisions[key].written <= days:
                    found[key] = self.revisions[key]
        return found


def _revision(held: Held) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(held.content)
    return read


def _left_to_upstream(record: Held) -> set[str]:
    return {name for names in json.loads(record.content)["upstream"].values() for name in names}


def _narinfos(hashes: Iterable[str]) -> set[str]:
    return {f"{name}.narinfo" for name in hashes}


def _absent(key: str, objects: Mapping[str, Held]) -> set[str]:
    """Return the narinfos that a path refers to and that are not there."""
    return narinfos_of(needed_by(objects[key], objects)) - objects.keys()
