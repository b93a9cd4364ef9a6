"""What `nix-cache gc` prints: what goes, what waits and what stays."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from nix_cache.cli.gc.sweep import Swept
from nix_cache.cli.inventory.contents import Entry, Stored, total_bytes
from nix_cache.cli.inventory.plan import CollectionPlan
from nix_cache.cli.inventory.terms import Terms
from nix_cache.cli.machine import console
from nix_cache.cli.machine.console import Console
from nix_cache.cli.machine.sizes import counted, size
from nix_cache.cli.s3.versions import Versioning
from nix_cache.formats.own_objects import PINS_PREFIX, ROOTS_PREFIX

_UNDO = {
    Versioning.ENABLED: "The bucket keeps versions: `nix-cache gc --undo RUN` can restore what a "
    "run deletes, until the lifecycle rules delete old versions.",
    Versioning.SUSPENDED: "The bucket keeps versions no longer: what is deleted may not be "
    "restored.",
    Versioning.NEVER: "The bucket keeps no versions: what is deleted cannot be restored.",
    Versioning.UNKNOWN: "Whether what is deleted can be restored is not known: the profile may not "
    "read whether the bucket keeps versions (s3:GetBucketVersioning).",
}


def document(
    plan: CollectionPlan,
    swept: Swept | None,
    run: str = "",
    versioning: Versioning = Versioning.UNKNOWN,
) -> dict[str, Any]:
    """Return the result for programs.

    Args:
        plan: what would go.
        swept: what went; None if nothing was to be removed.
        run: the id of the run; empty if nothing was to be removed.
        versioning: whether the bucket keeps what is deleted.
    """
    gone = swept or plan
    narinfos = plan.narinfos.stored if swept is None else swept.narinfos
    return {
        "dryRun": swept is None,
        "run": run,
        "versioning": versioning.value,
        "narinfos": _keys(narinfos),
        "listings": _keys(gone.listings),
        "nars": _keys(gone.nars),
        "realisations": _keys(gone.realisations),
        "rootRecords": _keys(_root_records(gone.records)),
        "pinObjects": _keys(_pin_objects(gone.records)),
        "bytes": total_bytes(chain(narinfos, gone.others)),
        "hidden": swept.hidden if swept else 0,
        "waiting": console.Pairs((key, time.isoformat()) for key, time in plan.waiting.items()),
        "kept": {"narinfos": len(plan.contents.narinfos) - len(narinfos)},
        "unreadable": {entry.stored.key: entry.fault for entry in plan.contents.unreadable},
        "unreadableRealisations": dict(plan.unreadable_realisations),
        "missingReferences": dict(sorted(plan.missing.items())),
        "absentRoots": sorted(plan.absent_roots),
        "absentPins": dict(plan.absent_pins),
        "withdrawn": _keys(entry.stored for entry in swept.withdrawn) if swept else [],
        "incomplete": _keys(entry.stored for entry in swept.incomplete) if swept else [],
        "withoutNar": _keys(entry.stored for entry in swept.without_nar) if swept else [],
        "lostRealisations": [*swept.lost_realisations] if swept else [],
        "isBlocked": bool(plan.blocking or (swept and swept.blocking)),
        "blockedBy": {entry.stored.key: entry.fault for entry in _blocking(plan, swept)},
        "setAside": _keys(entry.stored for entry in plan.set_aside),
        "missingNars": dict(sorted(plan.missing_nars.items())),
        "undated": plan.contents.undated,
        "foreign": sorted(plan.contents.foreign),
    }


def print_plan(plan: CollectionPlan, terms: Terms, where: Console) -> None:
    """Print what would go, what would wait and what would stay."""
    console.columns(_rows(plan, terms), where)


def print_undo(versioning: Versioning) -> None:
    """Print whether what is deleted can be restored."""
    console.note(_UNDO[versioning])


def print_done(plan: CollectionPlan, swept: Swept, undo: str = "") -> None:
    """Print what went, and how to restore it where the bucket keeps versions.

    Args:
        plan: what was to go.
        swept: what went.
        undo: the command that restores it.
    """
    if plan.is_empty:
        console.out.print(f"Nothing to delete.{_waits(plan)}")
        return
    kinds = (
        ("narinfo", swept.narinfos),
        ("NAR", swept.nars),
        ("listing", swept.listings),
        ("realisation", swept.realisations),
        ("root record", _root_records(swept.records)),
        ("pin object", _pin_objects(swept.records)),
    )
    gone = ", ".join(counted(len(objects), kind) for kind, objects in kinds if objects)
    console.out.print(f"Deleted {gone or 'nothing'} ({size(swept.freed_bytes)}).{_waits(plan)}")
    if swept.hidden:
        console.note(f"Restore what this run deleted with `{undo}`.")
        console.note(
            f"The bucket keeps versions. {counted(swept.hidden, 'deleted object')} will take up "
            "space until the lifecycle rules delete old versions."
        )


def _blocking(plan: CollectionPlan, swept: Swept | None) -> tuple[Entry, ...]:
    return swept.blocking if swept and swept.blocking else plan.blocking


def _rows(plan: CollectionPlan, terms: Terms) -> Iterator[tuple[str, str, str, str]]:
    days, grace = terms.older_than.days, terms.grace.days
    all_narinfos, all_nars = plan.contents.narinfos, plan.contents.nars
    waiting = plan.waiting.stored
    leaving_bytes = plan.nars.total_bytes + waiting.total_bytes
    narinfo_bytes = plan.narinfos.total_bytes
    if plan.is_empty:
        yield "delete", "nothing", "", ""
    not_needed = f"older than {days} days, not needed by a kept path"
    left_bytes = all_narinfos.objects.total_bytes - narinfo_bytes
    kept_bytes = all_nars.total_bytes - leaving_bytes
    table = (
        ("delete", "narinfo", len(plan.narinfos), narinfo_bytes, not_needed),
        *(
            ("delete", kind, len(objects), total_bytes(objects), why)
            for kind, objects, why in (
                ("listing", plan.listings, "of files, without a kept narinfo"),
                ("realisation", plan.realisations, "of a path that the cache does not have"),
                ("NAR", plan.nars, f"without a narinfo for {grace} days"),
                ("root record", _root_records(plan.records), "too old, or superseded"),
                ("pin object", _pin_objects(plan.records), "replaced, or unpinned"),
            )
        ),
        ("wait", "NAR", len(waiting), waiting.total_bytes, f"without a narinfo; {_when(plan)}"),
        ("keep", "narinfo", len(all_narinfos) - len(plan.narinfos), left_bytes, ""),
        ("keep", "NAR", len(all_nars) - len(plan.nars) - len(waiting), kept_bytes, ""),
    )
    for fate, kind, count, taken_bytes, why in table:
        if count:
            yield fate, counted(count, kind), size(taken_bytes), why


def _waits(plan: CollectionPlan) -> str:
    waiting = plan.waiting.stored
    if not waiting:
        return ""
    what = f"{counted(len(waiting), 'NAR')} ({size(waiting.total_bytes)})"
    return f" {what} without a narinfo: {_when(plan)}."


def _when(plan: CollectionPlan) -> str:
    """From when on a run removes what waits now."""
    if not plan.waiting:
        return ""
    days = sorted(plan.waiting.days)
    if plan.blocking:
        return "kept until all narinfos can be read"
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"deleted by a run after {span}"


def _root_records(objects: Iterable[Stored]) -> list[Stored]:
    return [stored for stored in objects if stored.key.startswith(ROOTS_PREFIX)]


def _pin_objects(objects: Iterable[Stored]) -> list[Stored]:
    return [stored for stored in objects if stored.key.startswith(PINS_PREFIX)]


def _keys(objects: Iterable[Stored]) -> Iterator[str]:
    return (stored.key for stored in objects)
