"""What else a bucket has of some store paths: lists of files, realisations, logs, and the like."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from itertools import chain

from nix_cache.cli.inventory.contents import Stored
from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.inventory.keys import Keys
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.remove.plan import RemovalPlan
from nix_cache.cli.remove.versions import ONE_BY_ONE
from nix_cache.formats.narinfo import Narinfo


@dataclass(frozen=True)
class Belongings:
    """What belongs to the paths that go, beside their narinfos and NARs.

    Attributes:
        others: the keys of lists of files, build logs and debug info.
        realisations: those that name one of these paths, each with the path's hash.
        kept_logs: by key, the logs that stay, and the paths of the same derivation that stay.
    """

    others: Keys = field(default_factory=Keys)
    realisations: tuple[tuple[Stored, str], ...] = ()
    kept_logs: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """The keys of what goes."""
        return self.others.plus(Keys(others=(stored.key for stored, _ in self.realisations)))


def belongings(
    bucket: HistoricBucket,
    plan: RemovalPlan,
    wanted: Set[str],
    narinfos: Iterable[Narinfo],
    realisations: PackedRealisations,
) -> Belongings:
    """Return what belongs to the paths that go, beside their narinfos and NARs.

    Args:
        bucket: the cache's.
        plan: what goes.
        wanted: the hashes of the paths that were asked for, also of those that are not there.
        narinfos: of the paths that go, as far as they can be read. Each is taken once.
        realisations: those in the bucket.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    listings = plan.contents.listings
    there = _logs(bucket, narinfos, len(plan.names))
    kept = _shared_logs(bucket, plan, there)
    return Belongings(
        Keys(PackedNames.of(listings, plan.names)).plus(
            there.only(lambda key: key not in kept), _debuginfo(bucket, plan.nars)
        ),
        tuple(realisations.naming(lambda name: name in plan.names or name in wanted)),
        kept,
    )


def _logs(bucket: HistoricBucket, narinfos: Iterable[Narinfo], count: int) -> Keys:
    """Return the build logs of some paths that are in the bucket.

    Args:
        bucket: the cache's.
        narinfos: of the paths. All are taken.
        count: how many there may be.
    """
    logs = (f"log/{one.deriver}" for one in narinfos if one.deriver is not None)
    if count <= ONE_BY_ONE:
        found = set(logs)
        return Keys(others=sorted(found - bucket.absent(found)))
    listed, _ = bucket.packed("log/", _is_plain)
    return Keys(PackedNames.of(listed, logs))


def _shared_logs(bucket: HistoricBucket, plan: RemovalPlan, logs: Keys) -> Mapping[str, list[str]]:
    """Return the logs of derivations of which another output stays, with the paths of these.

    The narinfos that stay are read once more: which derivation they are of is not held in memory.
    """
    found = defaultdict[str, list[str]](list)
    if logs:
        others = (entry for name, entry in plan.contents.narinfos.items() if name not in plan.names)
        for _, narinfo in bucket.parsed(entry.stored for entry in others):
            if isinstance(narinfo, Narinfo) and (key := f"log/{narinfo.deriver}") in logs:
                found[key].append(narinfo.store_path)
    return {key: sorted(paths) for key, paths in sorted(found.items())}


def _debuginfo(bucket: HistoricBucket, nars: Keys) -> Keys:
    """Return the debug info entries that name one of some NARs."""
    if not nars:
        return Keys()
    entries, others = bucket.packed("debuginfo/", _is_plain)
    keys = chain(entries, (stored.key for stored in others))
    contents = bucket.contents_of(keys)
    return Keys.of(entries, (key for key, content in contents if _archive(content) in nars))


def _archive(content: bytes | None) -> str:
    """Return the key that a debug info entry names; empty if it cannot be read."""
    try:
        archive = json.loads(content or b"null")["archive"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return archive.removeprefix("../") if isinstance(archive, str) else ""


def _is_plain(key: str) -> bool:
    """Return whether a key can be held in a packed listing."""
    return key.isascii() and key.isprintable()
