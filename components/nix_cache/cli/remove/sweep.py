"""The removal itself, in an order in which the cache is whole wherever it stops.

The bucket is listed again before each step. What was pushed meanwhile is not removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.contents import Contents, Entry
from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.remove.belongings import Belongings, versions_of
from nix_cache.cli.remove.journal import Journal
from nix_cache.cli.remove.plan import RemovalPlan, plan_removal, unreadable_others
from nix_cache.cli.s3.answers import ObjectVersion
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
    """

    plan: RemovalPlan
    wanted: frozenset[str]
    earlier_nars: frozenset[str]
    also: Belongings
    left: frozenset[str]
    versioning: Versioning

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove, not even a version."""
        has_versions = self.versioning is not Versioning.NEVER and self.earlier_nars
        return not (self.plan.names or self.left or has_versions or self.also.realisations)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all objects that go, also of those that only have versions."""
        narinfos = {*(entry.stored.key for entry in self.plan.narinfos), *map(_key, self.wanted)}
        return (*sorted(narinfos), *self.plan.nars, *self.plan.past, *self.also.keys, *self.left)


@dataclass(frozen=True)
class Removed:
    """What was removed.

    Attributes:
        narinfos: the keys of those that went.
        objects: the keys of the other objects that went.
        versions: how many old versions went; None if they could not be listed.
        hidden: how many objects the storage keeps as versions.
        lost: the narinfos that were pushed meanwhile and lack a path or a NAR that went.
    """

    narinfos: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
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
        narinfos = tuple(entry.stored.key for entry in again.narinfos)
        hidden = bucket.erase(narinfos)
        middle = bucket.contents(start, again.names)
        _require_readable(middle, frozenset())
        going = (*again.nars, *removal.also.keys, *sorted(removal.left))
        free = _Free(middle, _useful(bucket, removal, middle))
        objects = tuple(dict.fromkeys(key for key in going if key in free))
        hidden += bucket.erase(objects)
        versions = _erase_versions(bucket, removal, free)
        left = bucket.contents(middle)
        lost = _lost(bucket, left, frozenset(objects), again.names)
        doubt.remains = doubt.remains or bool(lost)
    journal.clear()
    return Removed(narinfos, objects, versions, hidden if versions is None else 0, lost)


def _require_same(shown: RemovalPlan, again: RemovalPlan) -> None:
    if further := sorted(again.names - shown.names):
        raise ClientError(
            f"{further[0]} was pushed meanwhile and needs a path that was to be removed; nothing "
            "was removed",
            "run it again",
        )
    _require_readable(again.contents, again.names)


def _require_readable(contents: Contents, wanted: frozenset[str]) -> None:
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
    keys = {key for key in removal.keys if key.endswith(".narinfo") or key in free}
    try:
        history = versions_of(bucket, keys)
    except RefusedError:
        return None
    # Of what was pushed again, the newest version stays. A marker goes after what it hides.
    old = [one for one in _all(history.values()) if one.is_marker or not one.is_latest]
    contents = [(one.key, one.version) for one in old if not one.is_marker]
    bucket.erase(contents)
    bucket.erase([(one.key, one.version) for one in old if one.is_marker])
    return len(contents)


def _all(histories: Iterable[list[ObjectVersion]]) -> Iterable[ObjectVersion]:
    return (version for history in histories for version in history)


def _lost(
    bucket: HistoricBucket, left: Contents, objects: frozenset[str], names: frozenset[str]
) -> tuple[Entry, ...]:
    """Return the narinfos that were pushed meanwhile and lack what went."""
    named = left.narinfos.named()
    absent = bucket.absent([key for key in objects if key in named])
    found = {entry.store_hash: entry for entry in left.narinfos.needing(names)}
    found |= {entry.store_hash: entry for entry in left.narinfos.naming(absent)}
    return tuple(found[name] for name in sorted(found))


def _key(name: str) -> str:
    return f"{name}.narinfo"
