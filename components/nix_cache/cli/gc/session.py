"""One run of `nix-cache gc`: what is there, what may go, and whether that is agreed to."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nix_cache.cli.caches.manager import Manager, find_manager
from nix_cache.cli.caches.manifest_rules import bucket_url
from nix_cache.cli.commands import completing
from nix_cache.cli.errors import UsageError
from nix_cache.cli.gc import remarks, report
from nix_cache.cli.gc.sweep import AGES_MEAN_NOTHING, Swept, require_whole, sweep
from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.ledger import LEDGER_KEY, Ledger
from nix_cache.cli.inventory.plan import CollectionPlan, plan_collection
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.terms import Terms
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.nix.store_paths import hashes_in, named_hash
from nix_cache.cli.s3.clock import earlier, require_same_time

LARGEST_SHARE = 0.9
"""Of the narinfos. More is hardly ever meant, and has to be agreed to on the command line."""


@dataclass(frozen=True)
class CollectionRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may list, read and delete; None for the janitor.
        older_than_days: what was written within these days stays.
        grace_days: how long a NAR outlives its last narinfo.
        roots_from: a file of store paths that stay too; ``-`` for standard input.
        dry_run: whether it is only printed.
        agreed: whether the user agrees beforehand.
        jobs: how many narinfos are read at a time.
        set_aside: narinfos that may be unreadable: store paths, their hashes, or keys.
        remembers: whether narinfos that were read are kept on this machine for later runs.
    """

    cache: str | None
    project: Path | None
    owner: str | None
    older_than_days: int
    grace_days: int
    roots_from: Path | None
    dry_run: bool
    agreed: bool
    jobs: int
    set_aside: tuple[str, ...] = ()
    remembers: bool = True


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def run(request: CollectionRequest, *, as_json: bool, clock: Callable[[], datetime] = _now) -> bool:
    """Collect, and print what came of it.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.
        clock: the time of this run, by which ages are measured. This machine's clock is compared
            with the storage's in any case.

    Returns:
        whether it was done, or there was nothing to do.

    Raises:
        UsageError: the request makes no sense, or it cannot be agreed to.
        ClientError: the storage refused or did not answer, or the clocks differ.
    """
    manager = find_manager(request.cache, request.project, request.owner)
    with completing(manager.target.stack):
        return _collect(request, manager, clock, as_json=as_json)


def _collect(
    request: CollectionRequest,
    manager: Manager,
    clock: Callable[[], datetime],
    *,
    as_json: bool,
) -> bool:
    manifest = manager.target.manifest
    roots = _roots(request.roots_from)
    set_aside = frozenset(named_hash(name, "--set-aside") for name in request.set_aside)
    with Progress() as progress:
        remembered = Remembered.of(manifest) if request.remembers else None
        bucket = Bucket(manifest, manager.credential, manager.profile, request.jobs, remembered)
        bucket.report = progress.tell
        progress.tell(f"waiting for {manifest.endpoint}")
        clocks = bucket.clocks()
        require_same_time(clocks, AGES_MEAN_NOTHING)
        now = earlier(clock(), clocks)
        if not request.dry_run:
            bucket.require_alone()
        terms = Terms(
            now=now,
            older_than=timedelta(days=request.older_than_days),
            grace=timedelta(days=request.grace_days),
            roots=roots,
            set_aside=set_aside,
            pushes=bucket.records.pushes(),
            pins=bucket.records.pins(now),
            expire_after_days=manifest.expire_after_days,
        )
        contents = bucket.contents()
        noted = _ledger(bucket).since(contents.nars)
        plan = plan_collection(contents, noted, terms, bucket.records.realisations())
        if not plan.blocking:
            require_whole(bucket, plan)
        plan = _with_confirmed_nars(plan, bucket)
        versioning = bucket.versioning()
    _require_sense(plan, terms)
    remarks.print_remarks(plan, terms)
    if not plan.is_empty:
        report.print_undo(versioning)
    if request.dry_run:
        if as_json:
            console.document(report.document(plan, None, versioning=versioning))
        else:
            report.print_plan(plan, terms, console.out)
        return not plan.blocking
    if plan.blocking:
        if as_json:
            console.document(report.document(plan, Swept(), versioning=versioning))
        return False
    if not plan.is_empty:
        report.print_plan(plan, terms, console.err)
        if not request.agreed:
            _require_small_share(plan)
        question = f"Remove this from {bucket_url(manifest)}?"
        if not console.agreed(question, "nothing was removed", beforehand=request.agreed):
            console.note("Nothing was removed.")
            return False
    with Progress() as progress:
        bucket.report = progress.tell
        swept = sweep(bucket, plan, noted, terms)
    if as_json:
        console.document(report.document(plan, swept, bucket.run, versioning))
    else:
        report.print_done(plan, swept, _undo_command(request, bucket.run))
    remarks.print_races(swept)
    return swept.is_well


def _undo_command(request: CollectionRequest, run: str) -> str:
    """Return the command that restores what a run deleted from the same cache, as the same user."""
    source = [request.cache] if request.cache else []
    project = ["--project", str(request.project)] if request.project else []
    owner = ["--owner", request.owner] if request.owner else []
    return shlex.join(["nix-cache", "gc", *source, "--undo", run, *owner, *project])


def _with_confirmed_nars(plan: CollectionPlan, bucket: Bucket) -> CollectionPlan:
    """Drop NARs that were put since NARs were listed."""
    absent = bucket.absent(set(plan.missing_nars.values()))
    missing = {name: key for name, key in plan.missing_nars.items() if key in absent}
    return replace(plan, missing_nars=missing)


def _ledger(bucket: Bucket) -> Ledger:
    found = bucket.records.ledger()
    if found is None:
        console.note(
            f"WARNING: {LEDGER_KEY} in the bucket cannot be read: all grace periods begin again."
        )
    return found or Ledger()


def _roots(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    roots = hashes_in(file)
    if not roots:
        raise UsageError(
            f"{file} names no store path, so nothing would be kept for its sake",
            "see what was to write it; without --roots-from, age alone decides",
        )
    return roots


def _require_sense(plan: CollectionPlan, terms: Terms) -> None:
    if terms.roots and len(plan.absent_roots) == len(terms.roots):
        raise UsageError(
            f"the cache has none of the paths to keep ({len(terms.roots):,}); nothing was removed",
            "see that they are paths of this cache's store, and that it is this cache",
        )


def _require_small_share(plan: CollectionPlan) -> None:
    if plan.share > LARGEST_SHARE:
        raise UsageError(
            f"{len(plan.narinfos)} of {len(plan.contents.narinfos)} narinfos would go, more than "
            f"{LARGEST_SHARE:.0%}; nothing was removed",
            "if that is meant, run this again with --yes",
        )
