"""`nix-cache gc --undo RUN`: restores what a collection deleted from a bucket with versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nix_cache.cli.caches.manager import find_manager
from nix_cache.cli.caches.manifest_rules import bucket_url
from nix_cache.cli.commands import completing
from nix_cache.cli.errors import ClientError
from nix_cache.cli.gc.restoring import (
    Hidden,
    Restoration,
    UndoneRun,
    hidden_by,
    plan_restoration,
    runs,
)
from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import counted, size
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.cli.s3.versions import Versioning
from nix_cache.formats.collection_run import RUN_ABANDONED_AFTER, RUN_KEY, CollectionRun
from nix_cache.formats.narinfo import Narinfo, NarinfoError

_SHOWN = 10


@dataclass(frozen=True)
class UndoRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may list, read and delete versions; None for the
            janitor.
        run: the id of a collection.
        dry_run: whether it is only printed.
        agreed: whether the user agrees beforehand.
        jobs: how many requests there are at a time.
    """

    cache: str | None
    project: Path | None
    owner: str | None
    run: str
    dry_run: bool
    agreed: bool
    jobs: int


def run(request: UndoRequest, *, as_json: bool) -> bool:
    """Restore what a collection deleted, and print what came of it.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.

    Returns:
        whether everything that the run deleted is there again.

    Raises:
        UsageError: it cannot be agreed to.
        ClientError: the bucket keeps no versions, does not know the run, or the storage failed.
    """
    manager = find_manager(request.cache, request.project, request.owner)
    target = manager.target
    with completing(target.stack):
        with Progress() as progress:
            bucket = HistoricBucket(
                target.manifest, manager.credential, manager.profile, request.jobs
            )
            bucket.report = progress.tell
            progress.tell(f"waiting for {target.manifest.endpoint}")
            _require_versions(bucket)
            found = _find(bucket, request.run)
            plan = _plan(bucket, found)
        _print_left(plan)
        if request.dry_run or not (plan.narinfos or plan.others):
            if as_json:
                console.document(_document(plan, found, dry_run=request.dry_run))
            else:
                _print(plan, found, restored=False, where=console.out)
            return not plan.left
        _print(plan, found, restored=False, where=console.err)
        question = f"Restore this in {bucket_url(target.manifest)}?"
        if not console.agreed(question, "nothing was restored", beforehand=request.agreed):
            console.note("Nothing was restored.")
            return False
        with Progress() as progress:
            bucket.report = progress.tell
            _restore(bucket, plan)
        if as_json:
            console.document(_document(plan, found, dry_run=False))
        else:
            _print(plan, found, restored=True, where=console.out)
        console.note(
            "Restored paths have their old dates, so the next collection deletes them again. Pin "
            "them, push them again, or keep them with --roots-from."
        )
    return not plan.left


def _require_versions(bucket: HistoricBucket) -> None:
    if bucket.versioning() is Versioning.NEVER:
        raise ClientError(
            "the bucket keeps no versions, so what a collection deleted cannot be restored",
            "push the paths again; to keep versions from now on, set `aws.versioning` or "
            "`s3.versioning` to true, or enable them at the service if the backend has no such "
            "setting",
        )


def _find(bucket: HistoricBucket, name: str) -> UndoneRun:
    versions = [one for one in bucket.versions(RUN_KEY) if one.key == RUN_KEY]
    contents = bucket.version_contents([one for one in versions if not one.is_marker])
    found = [(one, CollectionRun.parse(content)) for one, content in contents if content]
    _require_ended(found)
    known = runs(found)
    for one in known:
        if one.name == name:
            return one
    listed = ", ".join(f"{one.name} ({one.start:%Y-%m-%d %H:%M})" for one in known[:3])
    raise ClientError(
        f"the bucket has no history of a collection {name!r}",
        f"give the id that the collection printed; the latest are {listed}"
        if listed
        else "its versions were removed, or it was another bucket",
    )


def _require_ended(found: Sequence[tuple[ObjectVersion, CollectionRun]]) -> None:
    for version, one in found:
        age = datetime.now(UTC) - version.written if version.written else None
        if version.is_latest and one.running and age is not None and age < RUN_ABANDONED_AFTER:
            raise ClientError(
                f"the collection {one.run} goes on, or was killed less than an hour ago; nothing "
                "was restored",
                "wait for its end, and run this again",
            )


def _plan(bucket: HistoricBucket, found: UndoneRun) -> Restoration:
    history: dict[str, list[ObjectVersion]] = {}
    for version in bucket.versions():
        known = history.setdefault(version.key, [])
        if not known or known[-1].is_marker:  # what is older than the latest content stays hidden
            known.append(version)
    hidden = hidden_by(found, history)
    wanted = [one.version for key, one in hidden.items() if key.endswith(".narinfo")]
    contents = bucket.version_contents(wanted)
    narinfos = {version.key: _parsed(content) for version, content in contents}
    return plan_restoration(history, hidden, narinfos)


def _restore(bucket: HistoricBucket, plan: Restoration) -> None:
    """Restore NARs first, then narinfos, each after those that it needs."""
    with bucket.collecting():
        bucket.erase(_markers(plan.others))
        if missing := bucket.absent(plan.nars):
            raise ClientError(
                f"{min(missing)} is not there although its marker was removed; no narinfo was "
                "restored",
                "run it again",
            )
        bucket.erase(_markers(plan.narinfos))
        keys = {one.key for one in plan.narinfos}
        if missing := bucket.absent(keys | plan.nars):
            raise ClientError(
                f"{min(missing)} was deleted again meanwhile", "run `nix-cache doctor`"
            )


def _markers(objects: Sequence[Hidden]) -> list[tuple[str, str]]:
    return [(one.key, marker) for one in objects for marker in one.markers]


def _parsed(content: bytes | None) -> Narinfo | None:
    try:
        return Narinfo.parse(content or b"")
    except NarinfoError:
        return None


def _document(plan: Restoration, found: UndoneRun, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dryRun": dry_run,
        "run": found.name,
        "started": found.start.isoformat(),
        "narinfos": [one.key for one in plan.narinfos],
        "objects": [one.key for one in plan.others],
        "bytes": sum(one.version.size for one in (*plan.narinfos, *plan.others)),
        "left": dict(plan.left),
    }


def _print(plan: Restoration, found: UndoneRun, *, restored: bool, where: console.Console) -> None:
    of = f"of the collection of {found.start:%Y-%m-%d %H:%M} UTC"
    if not (plan.narinfos or plan.others):
        where.print(f"Nothing to restore {of}.")
        return
    room = size(sum(one.version.size for one in (*plan.narinfos, *plan.others)))
    word = "Restored" if restored else "Can restore"
    where.print(
        f"{word} {counted(len(plan.narinfos), 'narinfo')} and "
        f"{counted(len(plan.others), 'other object')} ({room}) {of}."
    )


def _print_left(plan: Restoration) -> None:
    if not plan.left:
        return
    console.note(f"WARNING: {counted(len(plan.left), 'narinfo')} cannot be restored:")
    for key, reason in [*plan.left.items()][:_SHOWN]:
        console.note(f"  {key} {reason}")
    if len(plan.left) > _SHOWN:
        console.note(f"  and {len(plan.left) - _SHOWN} more; --json prints all")
