"""What `nix-cache remove` prints: what goes, what stays, and who may still have it."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

from nix_cache.backends.registry import BACKENDS
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.machine import console
from nix_cache.cli.machine.console import Console
from nix_cache.cli.machine.sizes import counted, size
from nix_cache.cli.remove.plan import RemovalPlan
from nix_cache.cli.remove.sweep import Removal, Removed
from nix_cache.cli.s3.versions import Versioning
from nix_cache.formats.manifest import Manifest
from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS

_SHOWN = 10

Names = Mapping[str, str]
"""By the hash of a path, its name; paths whose narinfo cannot be read are left out."""


def document(
    removal: Removal, names: Names, removed: Removed | None, *, is_refused: bool, dry_run: bool
) -> dict[str, Any]:
    """Return the result for programs.

    Args:
        removal: what was to be removed.
        names: of the paths.
        removed: what went; None if nothing was to be removed.
        is_refused: whether dependents prevent it.
        dry_run: whether it was only to be printed.
    """
    plan = removal.plan
    return {
        "dryRun": dry_run,
        "isRefused": is_refused,
        "paths": _all_shown(plan.named, names),
        "dependents": _all_shown(plan.dependents, names),
        "narinfos": plan.narinfos.stored.keys()
        if removed is None
        else (stored.key for stored in removed.narinfos),
        "objects": chain(plan.nars, removal.also.keys, sorted(removal.left))
        if removed is None
        else iter(removed.objects),
        "bytes": plan_bytes(plan),
        "keptNars": dict(plan.shared),
        "uncertainNars": dict(plan.elsewhere),
        "keptLogs": dict(removal.also.kept_logs),
        "pins": {name: list(paths) for name, paths in removal.pinned.items()},
        "absent": sorted(removal.wanted - plan.named),
        "versioning": removal.versioning.value,
        "versions": 0 if removed is None else removed.versions,
        "lost": [entry.stored.key for entry in removed.lost] if removed else [],
    }


def plan_bytes(plan: RemovalPlan) -> int:
    """How much room the narinfos and NARs that go take, without old versions."""
    nars = (plan.contents.nars[key].size for key in plan.nars if key in plan.contents.nars)
    return plan.narinfos.total_bytes + sum(nars)


def print_plan(removal: Removal, names: Names, where: Console) -> None:
    """Print what would go, and what would stay."""
    plan = removal.plan
    rows = [
        *(("remove", _shown(one, names), "") for one in _first(plan.named)),
        *(("remove", _shown(one, names), "depends on it") for one in _first(plan.dependents)),
    ]
    if hidden := len(plan.names) - len(rows):
        rows.append(("remove", f"{counted(hidden, 'further path')}", "--json prints all"))
    # In a separate table, which the long names do not widen.
    console.columns(rows, where)
    rows.clear()
    for count, thing, why in (
        (len(plan.nars), "NAR", "at once, without a grace period"),
        (len(plan.past), "NAR", "of which only old versions are left"),
        (len(removal.also.others), "other object", "lists of files, build logs, debug info"),
        (len(removal.also.realisations), "realisation", "by which clients find these paths"),
        (len(removal.left), "object", "left by an interrupted removal"),
    ):
        if count:
            rows.append(("remove", counted(count, thing), why))
    if plan.shared:
        kept = counted(len(plan.shared), "NAR")
        rows.append(("keep", kept, "other paths have the same contents"))
    console.columns(rows, where)


def print_done(removal: Removal, removed: Removed) -> None:
    """Print what went."""
    versions = f" and {counted(removed.versions, 'old version')}" if removed.versions else ""
    console.out.print(
        f"Removed {counted(len(removed.narinfos), 'narinfo')}, "
        f"{counted(len(removed.objects), 'other object')}{versions} "
        f"({size(plan_bytes(removal.plan))})."
    )


def print_refusal(plan: RemovalPlan, names: Names) -> None:
    """Print which paths prevent a removal."""
    console.note(
        "WARNING: these paths of the cache would lack what they need "
        f"({len(plan.dependents):,} in all):"
    )
    for one in _first(plan.dependents):
        console.note(f"  {_shown(one, names)}")
    if len(plan.dependents) > _SHOWN:
        console.note(f"  and {len(plan.dependents) - _SHOWN} more; --json prints all")


def print_remarks(removal: Removal, names: Names) -> None:
    """Print what stays, although it was asked for, and which pins name what goes."""
    for line in remarks(removal, names):
        console.note(line)


def remarks(removal: Removal, names: Names) -> Iterator[str]:
    """Yield what stays, although it was asked for, and which pins name what goes."""
    plan = removal.plan
    for name, paths in [*removal.pinned.items()][:_SHOWN]:
        yield (
            f"WARNING: the pin {name} still names {', '.join(paths[:3])}. Afterwards, pin another "
            f"path under this name, or run `nix-cache unpin {name}`."
        )
    for key, users in [*plan.shared.items()][:_SHOWN]:
        yield (
            f"WARNING: {key} is kept: {', '.join(users[:3])} has the same contents. Name "
            "that path too to remove the NAR."
        )
    for key, paths in [*removal.also.kept_logs.items()][:_SHOWN]:
        yield (
            f"WARNING: {key} is kept: {', '.join(paths[:3])} is of the same derivation. Name that "
            "path too to remove the build log."
        )
    for name, url in [*plan.elsewhere.items()][:_SHOWN]:
        yield (
            f"WARNING: the NAR of {_shown(name, names)} has the unusual URL {url}. Check "
            "afterwards that it is gone."
        )
    if absent := sorted(removal.wanted - plan.named):
        yield f"{counted(len(absent), 'path')} not in the cache: {', '.join(absent[:3])}"


def print_aftermath(manifest: Manifest, removal: Removal, removed: Removed | None) -> None:
    """Print who may still have what goes, and what to do there."""
    for line in aftermath(manifest, removal, removed):
        console.note(line)


def aftermath(manifest: Manifest, removal: Removal, removed: Removed | None) -> Iterator[str]:
    """Yield who may still have what goes, and what to do there."""
    if removed is not None and removed.versions is None:
        yield (
            "WARNING: old versions were not removed: the profile may not list them. Allow it "
            "s3:ListBucketVersions and s3:DeleteObjectVersion, and run this again."
        )
    elif removal.versioning is Versioning.NEVER:
        yield "The bucket keeps no versions: what is removed cannot be restored."
    yield (
        "Machines that fetched a path still have it: run `nix store delete PATH` there. "
        f"Others remember its narinfo for up to {NARINFO_TTL_DAYS} days, and build when they find "
        "no NAR. A secret that was in it must be replaced."
    )
    if command := _flush(manifest):
        yield (
            "The URL of the cache is not that of the storage, so a CDN or proxy may still serve "
            f"these objects. {command}"
        )
    yield "A path that is pushed again comes back: check what pushes it."


def print_lost(removed: Removed) -> None:
    """Warn of what was pushed while its foundation went."""
    if not removed.lost:
        return
    console.note(
        "WARNING: these narinfos were pushed meanwhile and lack what was removed. Push their paths "
        "again, or remove them too:"
    )
    for entry in removed.lost[:_SHOWN]:
        console.note(f"  {entry.stored.key}")


def _flush(manifest: Manifest) -> str:
    """Return how to empty what stands before the storage; empty if nothing does."""
    host = urlsplit(manifest.read_url).hostname or ""
    storage = urlsplit(manifest.endpoint).hostname or ""
    if not manifest.public or host == storage or host.endswith(f".{storage}"):
        return ""
    spec = BACKENDS.get(manifest.backend)
    if spec is None or not spec.cdn_flush:
        return "Empty its cache for them."
    return f"For the {spec.cdn}, run `{spec.cdn_flush}`."


def _first(names: PackedNames) -> Iterator[str]:
    return islice(names.ordered(), _SHOWN)


def _all_shown(hashes: PackedNames, names: Names) -> Iterator[str]:
    """Yield what is shown of some paths in order: store paths, then hashes without one."""
    yield from (names[one] for one in hashes.ordered() if one in names)
    yield from (one for one in hashes.ordered() if one not in names)


def _shown(name: str, names: Names) -> str:
    return names.get(name, name)
