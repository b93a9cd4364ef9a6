"""What else a bucket has of some store paths: lists of files, realisations, logs, and the like."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from nix_cache.cli.inventory.contents import Stored
from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.remove.plan import RemovalPlan
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.formats.narinfo import Narinfo, NarinfoError

_ONE_BY_ONE = 100
"""Of more keys, the versions of the whole bucket are listed once."""

History = Mapping[str, list[ObjectVersion]]
"""By key, the versions of an object, the newest first."""


@dataclass(frozen=True)
class Belongings:
    """What belongs to the paths that go, beside their narinfos and NARs.

    Attributes:
        others: the keys of lists of files, build logs and debug info.
        realisations: those that name one of these paths, each with the path's hash.
        kept_logs: by key, the logs that stay, and the paths of the same derivation that stay.
    """

    others: tuple[str, ...] = ()
    realisations: tuple[tuple[Stored, str], ...] = ()
    kept_logs: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of what goes."""
        return (*self.others, *(stored.key for stored, _ in self.realisations))


def belongings(
    bucket: HistoricBucket,
    plan: RemovalPlan,
    wanted: frozenset[str],
    narinfos: Iterable[Narinfo],
    realisations: PackedRealisations,
) -> Belongings:
    """Return what belongs to the paths that go, beside their narinfos and NARs.

    Args:
        bucket: the cache's.
        plan: what goes.
        wanted: the hashes of the paths that were asked for, also of those that are not there.
        narinfos: of the paths that go, as far as they can be read.
        realisations: those in the bucket.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    known = plan.contents.listings
    listings = [known[name].key for name in plan.names if name in known]
    logs = {f"log/{one.deriver}" for one in narinfos if one.deriver is not None}
    there = logs - bucket.absent(logs)
    kept = _shared_logs(bucket, plan, there)
    debug_info = _debuginfo(bucket, plan.nars)
    return Belongings(
        (*sorted(listings), *sorted(there - kept.keys()), *sorted(debug_info)),
        tuple(realisations.naming(plan.names | wanted)),
        kept,
    )


def _shared_logs(
    bucket: HistoricBucket, plan: RemovalPlan, logs: Collection[str]
) -> Mapping[str, list[str]]:
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


def versions_of(bucket: HistoricBucket, keys: Collection[str]) -> History:
    """Return the versions of some objects. Objects without one are left out.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    found: dict[str, list[ObjectVersion]] = {}
    for prefix in keys if len(keys) <= _ONE_BY_ONE else [""]:
        for version in bucket.versions(prefix):
            if version.key == prefix or (not prefix and version.key in keys):
                found.setdefault(version.key, []).append(version)
    return found


def earlier_nars(bucket: HistoricBucket, names: Iterable[str]) -> frozenset[str]:
    """Return the keys of the NARs that versions of some narinfos named.

    Args:
        bucket: the cache's.
        names: the hashes of their store paths.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    history = versions_of(bucket, {f"{name}.narinfo" for name in names})
    wanted = [one for versions in history.values() for one in versions if not one.is_marker]
    urls = (_url(content) for _, content in bucket.version_contents(wanted))
    return frozenset(url for url in urls if url.startswith("nar/"))


def _url(content: bytes | None) -> str:
    try:
        return Narinfo.parse(content or b"").url
    except NarinfoError:
        return ""


def _debuginfo(bucket: HistoricBucket, nars: Collection[str]) -> Iterable[str]:
    """Yield the keys of the debug info entries that name one of some NARs."""
    if not nars:
        return
    entries = (stored.key for stored in bucket.objects("debuginfo/"))
    for key, content in bucket.contents_of(entries):
        try:
            archive = json.loads(content or b"null")["archive"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if isinstance(archive, str) and archive.removeprefix("../") in nars:
            yield key
