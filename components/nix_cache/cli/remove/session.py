"""One run of `nix-cache remove`: which paths go, and whether that is agreed to."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nix_cache.cli.caches.manager import Manager, find_manager
from nix_cache.cli.caches.manifest_rules import bucket_url
from nix_cache.cli.commands import completing
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.inventory.contents import Contents
from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.inventory.keys import Keys
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.nix.store_paths import named_hash
from nix_cache.cli.remove import report
from nix_cache.cli.remove.belongings import belongings
from nix_cache.cli.remove.journal import Journal, due
from nix_cache.cli.remove.paths import PackedPaths
from nix_cache.cli.remove.plan import RemovalPlan, plan_removal, unreadable_others
from nix_cache.cli.remove.selection import SignedBy
from nix_cache.cli.remove.sweep import Removal, Removed, narinfo_keys, sweep
from nix_cache.cli.remove.versions import earlier_nars
from nix_cache.cli.s3.clock import require_same_time
from nix_cache.cli.s3.errors import RefusedError
from nix_cache.cli.s3.versions import Versioning
from nix_cache.formats.narinfo import Narinfo

_SHOWN = 10


@dataclass(frozen=True)
class RemovalRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may list, read and delete; None for the janitor.
        paths: store paths, their hashes, or keys of narinfos.
        signed_by: the public key, or the name of the key, whose paths go; None without one.
        since: since when its paths go, in ISO 8601; None for all.
        with_dependents: whether the paths that need these go, too.
        dry_run: whether it is only printed.
        agreed: whether the user agrees beforehand.
        jobs: how many requests there are at a time.
    """

    cache: str | None
    project: Path | None
    owner: str | None
    paths: tuple[str, ...]
    signed_by: str | None
    since: str | None
    with_dependents: bool
    dry_run: bool
    agreed: bool
    jobs: int


def run(request: RemovalRequest, *, as_json: bool) -> bool:
    """Remove paths, and print what came of it.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.

    Returns:
        whether everything that was asked for is gone, and no push lost a path.

    Raises:
        UsageError: the request makes no sense, or it cannot be agreed to.
        ClientError: the storage refused or did not answer, or what depends on a path is not known.
    """
    _require_sense(request)
    wanted = frozenset(
        named_hash(path, "PATH", "name the cache with --cache") for path in request.paths
    )
    manager = find_manager(request.cache, request.project, request.owner)
    target = manager.target
    with completing(target.stack):
        return _remove(request, manager, wanted, as_json=as_json)


def _remove(
    request: RemovalRequest,
    manager: Manager,
    wanted: Set[str],
    *,
    as_json: bool,
) -> bool:
    manifest = manager.target.manifest
    signed_by = (
        SignedBy.of(request.signed_by, request.since, manifest.public_keys)
        if request.signed_by is not None
        else None
    )
    journal = Journal(manifest)
    with Progress() as progress:
        bucket = HistoricBucket(manifest, manager.credential, manager.profile, request.jobs)
        bucket.report = progress.tell
        progress.tell(f"waiting for {manifest.endpoint}")
        if signed_by is not None and signed_by.since is not None:
            require_same_time(
                bucket.clocks(),
                "--since cannot be compared with the dates of objects; nothing was removed",
            )
        contents = bucket.contents()
        if signed_by is not None:
            wanted = _selected(bucket, contents, signed_by)
        removal, names = _planned(bucket, contents, wanted, journal.left())
    if removal.is_empty:
        return _nothing(request, removal, as_json=as_json)
    plan = removal.plan
    is_refused = bool(plan.dependents) and not request.with_dependents
    report.print_remarks(removal, names)
    if is_refused:
        report.print_refusal(plan, names)
    if request.dry_run or is_refused:
        if as_json:
            document = report.document(
                removal, names, None, is_refused=is_refused, dry_run=request.dry_run
            )
            console.document(document)
        elif not is_refused:
            report.print_plan(removal, names, console.out)
            report.print_aftermath(manifest, removal, None)
        if is_refused and not as_json:
            raise ClientError(
                "other paths of the cache depend on what was to be removed "
                f"({len(plan.dependents):,}); nothing was removed",
                "add --with-dependents to remove them too",
            )
        return not is_refused
    report.print_plan(removal, names, console.err)
    question = f"Remove this from {bucket_url(manifest)}?"
    if not console.agreed(question, "nothing was removed", beforehand=request.agreed):
        console.note("Nothing was removed.")
        return False
    with Progress() as progress:
        bucket.report = progress.tell
        removed = sweep(bucket, removal, journal)
    if as_json:
        console.document(report.document(removal, names, removed, is_refused=False, dry_run=False))
    else:
        report.print_done(removal, removed)
    report.print_aftermath(manifest, removal, removed)
    report.print_lost(removed)
    return _is_done(plan, removed)


def _planned(
    bucket: HistoricBucket, contents: Contents, wanted: Set[str], left: frozenset[str]
) -> tuple[Removal, report.Names]:
    """Find out what goes with some paths.

    Raises:
        ClientError: what depends on them is not known, or the storage refused.
    """
    first = plan_removal(contents, wanted)
    if others := unreadable_others(contents, first.names):
        raise ClientError(
            f"{others[0].stored.key} {others[0].fault}, so what it needs is not known; nothing was "
            "removed",
            "run it again if the storage was faulty; else push that path again, or name it too to "
            "remove it",
        )
    versioning = bucket.versioning()
    earlier = Keys()
    if versioning is not Versioning.NEVER:
        try:
            earlier = earlier_nars(bucket, narinfo_keys(first, wanted), contents.nars)
        except RefusedError:
            versioning = Versioning.UNKNOWN
    plan = plan_removal(contents, wanted, earlier)
    names = PackedPaths(contents.narinfos.objects)
    parsed = (narinfo for _, narinfo in bucket.parsed(plan.narinfos.stored))
    narinfos = names.held(one for one in parsed if isinstance(one, Narinfo))
    realisations = bucket.records.realisations()
    also = belongings(bucket, plan, wanted, narinfos, realisations)
    still_due = due(left, contents, plan.names, realisations)
    if kept := sorted(left - still_due):
        console.note(
            "WARNING: build logs, debug info entries and realisations that an interrupted removal "
            f"noted are kept ({len(kept)}), as a path of that removal is in the cache: "
            f"{', '.join(kept[:_SHOWN])}"
        )
    pinned = _pinned(bucket, plan.names)
    return Removal(plan, wanted, earlier, also, still_due, versioning, pinned), names


def _pinned(bucket: HistoricBucket, names: PackedNames) -> dict[str, list[str]]:
    """Return the pins that keep some paths, each with those paths.

    A pin that cannot be read does not prevent a removal.
    """
    try:
        pins = bucket.records.pins(datetime.now(UTC))
    except ClientError as failure:
        console.note(f"WARNING: whether a pin names what goes is not known: {failure}")
        return {}
    kept = {pin.name: [one.revision for one in pin.kept] for pin in pins}
    named = {
        name: [one.path for one in revisions if one.path and one.store_hash in names]
        for name, revisions in kept.items()
    }
    return {name: paths for name, paths in named.items() if paths}


def _selected(bucket: HistoricBucket, contents: Contents, signed_by: SignedBy) -> PackedNames:
    """Return the hashes of the paths that a key signed, without those that are trusted anyway."""
    if signed_by.is_trusted:
        console.note(
            f"WARNING: readers still trust the key {signed_by.name}. Raise the writer's "
            "generation, set `trustedGenerations: []`, run `pulumi up`, and `nix-cache use` on "
            "every machine."
        )
    if signed_by.public_key is None:
        console.note(
            f"The name {signed_by.name} is not verified. Give the public key to verify signatures."
        )
    found = PackedNames.of(contents.narinfos.objects, ())
    vouched = 0
    for stored, narinfo in bucket.parsed(contents.narinfos.objects.values()):
        if isinstance(narinfo, Narinfo) and signed_by.selects(stored, narinfo):
            if signed_by.vouched(narinfo):
                vouched += 1
            else:
                found.add(stored.key)
    if vouched:
        console.note(
            f"Kept: {counted(vouched, 'path')} that the key signed, with a signature by another "
            "trusted key, or proved by the content address."
        )
    elif not found:
        since = f" since {signed_by.since:%Y-%m-%dT%H:%MZ}" if signed_by.since else ""
        console.note(
            f"No path of the cache has a signature of {signed_by.name}{since}. `nix-cache stats` "
            "prints the names of the keys that signed paths."
        )
    return found


def _nothing(request: RemovalRequest, removal: Removal, *, as_json: bool) -> bool:
    if request.signed_by is None:
        raise ClientError(
            f"{request.paths[0]} is not in the cache; nothing was removed",
            "check the path, and name the right cache with --cache",
        )
    if as_json:
        console.document(
            report.document(removal, {}, Removed(), is_refused=False, dry_run=request.dry_run)
        )
    else:
        console.out.print("Nothing to remove.")
    return True


def _is_done(plan: RemovalPlan, removed: Removed) -> bool:
    return not (removed.lost or plan.shared or plan.elsewhere or removed.versions is None)


def _require_sense(request: RemovalRequest) -> None:
    if request.since is not None and request.signed_by is None:
        raise UsageError(
            "--since has no meaning without --signed-by",
            "add --signed-by KEY, or leave out --since",
        )
    if request.paths and request.signed_by is not None:
        raise UsageError("paths and --signed-by exclude each other", "give one of them")
    if not request.paths and request.signed_by is None:
        raise UsageError("no paths to remove", "name store paths, or a key with --signed-by")
