"""The removal itself, in an order in which the cache is whole wherever it stops.

The bucket is listed again before each step. What was pushed meanwhile is not removed.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.contents import Contents, Entry, Stored
from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.inventory.keys import Keys
from nix_cache.cli.remove.belongings import Belongings
from nix_cache.cli.remove.journal import Journal
from nix_cache.cli.remove.plan import RemovalPlan, plan_removal, unreadable_others
from nix_cache.cli.remove.versions import HeldVersions, versions_of
from nix_cache.cli.s3.errors import RefusedError
from nix_cache.cli.s3.versions import Versioning
from nix_cache.formats.realisation import SUFFIX


@dataclass(frozen=True)
class Removal:
    """What is to be removed.

    Attributes:
        plan: the paths and their NARs.
        wanted: the hashes of the paths that were asked for, also of those that are not there.
        earlier_nars: the keys of NARs that earlier narinfos of these paths named.
        also: what else belongs to these paths.
        left: the keys that an interrupted removal left.
        versioning: whether the bucket keeps versions.
        pinned: by the name of a pin, the store paths among these that it keeps.
    """

    plan: RemovalPlan
    wanted: Set[str]
    earlier_nars: Keys
    also: Belongings
    left: frozenset[str]
    versioning: Versioning
    pinned: Mapping[str, Sequence[str]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove, not even a version."""
        has_versions = self.versioning is not Versioning.NEVER and self.earlier_nars
        return not (self.plan.names or self.left or has_versions or self.also.realisations)

    @property
    def keys(self) -> Keys:
        """The keys of all objects that go, also of those that only have versions."""
        narinfos = narinfo_keys(self.plan, self.wanted)
        others = Keys(others=(*self.plan.past, *self.left))
        return narinfos.plus(self.plan.nars, self.also.keys, others)


@dataclass(frozen=True)
class Removed:
    """What was removed.

    Attributes:
        narinfos: those that went.
        objects: the keys of the other objects that went.
        versions: how many old versions went; None if they could not be listed.
        hidden: how many objects the storage keeps as versions.
        lost: the narinfos that were pushed meanwhile and lack a path or a NAR that went.
    """

    narinfos: Sequence[Stored] = ()
    objects: Collection[str] = ()
    versions: int | None = 0
    hidden: int = 0
    lost: tuple[Entry, ...] = ()


def sweep(bucket: HistoricBucket, removal: Removal, journal: Journal) -> Removed:
    """Remove what was shown.

    Args:
        bucket: the cache's.
        removal: what was agreed to; nothing else is removed.
        journal: where it is noted until it is done.

    Raises:
        ClientError: the storage refused, or a path was pushed meanwhile that needs one of these.
            The cache is whole, and another run goes on.
    """
    with bucket.collecting() as doubt:
        # Pushes see the run object from here on, and look again for what they rely on.
        start = bucket.contents(removal.plan.contents)
        again = plan_removal(start, removal.plan.names, removal.earlier_nars)
        _require_same(removal.plan, again)
        journal.note(removal.keys)
        narinfos = again.narinfos.stored
        hidden = bucket.erase(narinfos.keys(), len(narinfos))
        middle = bucket.contents(start, again.names)
        _require_readable(middle, frozenset())
        going = again.nars.plus(removal.also.keys, Keys(others=sorted(removal.left)))
        free = _Free(middle, _useful(bucket, removal, middle))
        objects = going.only(free.__contains__)
        hidden += bucket.erase(objects, len(objects))
        versions = _erase_versions(bucket, removal, free)
        left = bucket.contents(middle)
        lost = _lost(bucket, left, objects, again.names)
        doubt.remains = doubt.remains or bool(lost)
    journal.clear()
    return Removed(narinfos, objects, versions, hidden if versions is None else 0, lost)


def _require_same(shown: RemovalPlan, again: RemovalPlan) -> None:
    if further := sorted(name for name in again.names if name not in shown.names):
        raise ClientError(
            f"{further[0]} was pushed meanwhile and needs a path that was to be removed; nothing "
            "was removed",
            "run it again",
        )
    _require_readable(again.contents, again.names)


def _require_readable(contents: Contents, wanted: Collection[str]) -> None:
    if others := unreadable_others(contents, wanted):
        raise ClientError(
            f"{others[0].stored.key} {others[0].fault}, so what it needs is not known; nothing "
            "more was removed",
            "run it again",
        )


def _useful(bucket: HistoricBucket, removal: Removal, contents: Contents) -> set[str]:
    """Return the keys of realisations that were written again, or whose path was pushed again."""
    shown = removal.also.realisations
    if not shown:
        return set()
    listed = bucket.records.listed_realisations().objects
    now = ((stored, listed.get(stored.key.removesuffix(SUFFIX)), path) for stored, path in shown)
    return {
        stored.key
        for stored, found, path in now
        if found is not None and (found != stored or path in contents.narinfos)
    }


class _Free:
    """The objects that no narinfo needs, without realisations that are useful again."""

    def __init__(self, contents: Contents, realisations: set[str]) -> None:
        self._realisations = realisations
        self._named = contents.narinfos.named()
        self._narinfos = contents.narinfos

    def __contains__(self, key: str) -> bool:
        name, _, ending = key.partition(".")
        if ending == "narinfo":
            return False  # it was not removed, or was pushed again
        if ending == "ls":
            return name not in self._narinfos
        return key not in self._named and key not in self._realisations


def _erase_versions(bucket: HistoricBucket, removal: Removal, free: _Free) -> int | None:
    if removal.versioning is Versioning.NEVER:
        return 0
    keys = removal.keys.only(lambda key: key.endswith(".narinfo") or key in free)
    contents, markers = HeldVersions(), HeldVersions()
    try:
        for version in versions_of(bucket, keys):
            if version.is_marker:
                markers.add(version)
            elif not version.is_latest:  # of what was pushed again, the newest version stays
                contents.add(version)
    except RefusedError:
        return None
    bucket.erase(contents, len(contents))
    bucket.erase(markers, len(markers))  # after what they hide
    return len(contents)


def _lost(
    bucket: HistoricBucket, left: Contents, objects: Collection[str], names: Collection[str]
) -> tuple[Entry, ...]:
    """Return the narinfos that were pushed meanwhile and lack what went."""
    named = left.narinfos.named()
    absent = bucket.absent([key for key in objects if key in named])
    found = {entry.store_hash: entry for entry in left.narinfos.needing(names)}
    found |= {entry.store_hash: entry for entry in left.narinfos.naming(absent)}
    return tuple(found[name] for name in sorted(found))


def narinfo_keys(plan: RemovalPlan, wanted: Set[str]) -> Keys:
    """Return the keys of the narinfos that go, and of those that were asked for and are absent."""
    absent = sorted(name for name in wanted if name not in plan.names)
    return Keys(plan.names, others=(f"{name}.narinfo" for name in absent))
