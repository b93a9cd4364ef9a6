"""One run of `nix-cache stats`: reads the bucket, and prints the figures."""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nix_cache.backends.registry import BACKENDS
from nix_cache.cli.caches.manager import find_manager
from nix_cache.cli.commands import completing
from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.chosen import StoredObjects
from nix_cache.cli.inventory.contents import is_collectable, is_metadata, is_narinfo
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.options import GRACE_DAYS
from nix_cache.cli.stats import metrics_file, prometheus, report
from nix_cache.cli.stats.collection import Collectable, collectable
from nix_cache.cli.stats.figures import Adder, Figures
from nix_cache.cli.stats.prices import Prices
from nix_cache.formats.own_objects import PINS_PREFIX, ROOTS_PREFIX
from nix_cache.iam.lifecycle import NAR_PREFIX

_FOLDERS = {
    "log/": "log",
    "debuginfo/": "debuginfo",
    "realisations/": "realisation",
    "build-trace-v2/": "realisation",
    ROOTS_PREFIX: "root",
    PINS_PREFIX: "pin",
}
"""Where objects are that are counted and not read, and their kind."""


@dataclass(frozen=True)
class StatsRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may list and read; None for the janitor.
        prices: a file with prices; None for the list price of the service.
        prometheus: a file for the figures, ``-`` for standard output; None if they are printed for
            people.
        jobs: how many narinfos are read at a time.
        older_than_days: of the collection that is tried; None for none.
        grace_days: of that collection.
        remembers: whether narinfos that were read for it are kept on this machine, as `gc` does.
    """

    cache: str | None
    project: Path | None
    owner: str | None
    prices: Path | None
    prometheus: Path | None
    jobs: int
    older_than_days: int | None = None
    grace_days: int = GRACE_DAYS
    remembers: bool = True


def _now() -> datetime:
    return datetime.now(UTC)


def run(request: StatsRequest, *, as_json: bool, clock: Callable[[], datetime] = _now) -> None:
    """Read a cache, and print its figures.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.
        clock: the time of the collection that is tried.

    Raises:
        UsageError: the request makes no sense.
        ClientError: the storage refused or did not answer, or a file cannot be read or written.
    """
    metrics_file.require_place(request.prometheus, as_json=as_json)
    given = None if request.prices is None else Prices.read(request.prices)
    manager = find_manager(request.cache, request.project, request.owner)
    target = manager.target
    manifest = target.manifest
    with completing(target.stack), Progress() as progress:
        remembered = Remembered.of(manifest) if request.remembers else None
        bucket = Bucket(manifest, manager.credential, manager.profile, request.jobs, remembered)
        bucket.report = progress.tell
        progress.tell(f"waiting for {manifest.endpoint}")
        figures = read(bucket, progress)
        tried = _tried(bucket, request, manifest.expire_after_days, clock())
    prices = given or _listed(manifest.backend)
    cost = None if prices is None else prices.cost(figures.all_bytes)
    report.print_remarks(figures, manifest.backend, cost, tried)
    if request.prometheus is not None:
        text = prometheus.text(figures, cost, tried, manifest.bucket, time.time())
        if metrics_file.write(request.prometheus, text):
            return
    if as_json:
        console.document(report.document(figures, cost, tried))
    else:
        report.print_figures(figures, cost, tried)


def read(bucket: Bucket, progress: Progress) -> Figures:
    """Add up the figures of a bucket.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    nars, odd = bucket.packed(NAR_PREFIX, is_collectable)
    adder = Adder(nars, {stored.key: stored.size for stored in odd})
    metadata, others = bucket.packed("", is_metadata)
    kinds: dict[bool, array[int]] = {True: array("I"), False: array("I")}
    for number in metadata.numbers():
        kinds[is_narinfo(metadata.key(number))].append(number)
    narinfos, listings = StoredObjects(metadata, kinds[True]), StoredObjects(metadata, kinds[False])
    adder.count("narinfo", map(metadata.size, narinfos.numbers))
    adder.count("listing", map(metadata.size, listings.numbers))
    for stored in others:
        adder.count("listing" if stored.key.endswith(".ls") else "other", [stored.size])
    for folder, kind in _FOLDERS.items():
        adder.count(kind, bucket.sizes(folder))
    for count, (stored, narinfo) in enumerate(bucket.parsed(narinfos), start=1):
        adder.add(stored, narinfo)
        progress.tell(f"read {count:,} of {len(narinfos):,} narinfos")
    return adder.finished()


def _tried(
    bucket: Bucket, request: StatsRequest, expire_after_days: int, now: datetime
) -> Collectable | None:
    if request.older_than_days is None:
        return None
    return collectable(bucket, request.older_than_days, request.grace_days, expire_after_days, now)


def _listed(backend: str) -> Prices | None:
    listed = BACKENDS[backend].list_price if backend in BACKENDS else None
    return None if listed is None else Prices.of(listed)
