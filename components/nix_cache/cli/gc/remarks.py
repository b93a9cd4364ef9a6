"""What `nix-cache gc` warns of: what was pushed meanwhile, and what is odd about the cache."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from nix_cache.cli.gc.sweep import Swept
from nix_cache.cli.inventory.contents import Entry
from nix_cache.cli.inventory.plan import CollectionPlan
from nix_cache.cli.inventory.terms import Terms
from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import counted
from nix_cache.iam.lifecycle import NAR_PREFIX, NARINFO_TTL_DAYS

_SHOWN = 10


def print_races(swept: Swept) -> None:
    """Warn of what was pushed while its foundation went."""
    for line in races(swept):
        console.note(line)


def races(swept: Swept) -> Iterator[str]:
    """Yield what a push at the same time lost, and what to do."""
    if swept.withdrawn:
        yield (
            "WARNING: these narinfos were pushed while their NARs went, and went too; push their "
            "paths again:"
        )
        yield from _some([entry.stored.key for entry in swept.withdrawn])
    if swept.incomplete:
        yield (
            "WARNING: these narinfos need paths that went; push their paths again, with all that "
            "they need:"
        )
        yield from _some([entry.stored.key for entry in swept.incomplete])
    if swept.without_nar:
        yield (
            "WARNING: these narinfos were pushed while NARs went that their URLs may name; check "
            "them with `nix-cache doctor`:"
        )
        yield from _some([entry.stored.key for entry in swept.without_nar])
    if swept.lost_realisations:
        yield (
            "WARNING: the paths of these realisations were pushed while they went. Push these "
            "paths again, so that clients do not build them:"
        )
        yield from _some(swept.lost_realisations)
    if swept.blocking and (swept.narinfos or swept.nars):
        yield (
            "WARNING: a narinfo could not be read meanwhile. The rest was not removed, and what it "
            "lacks is not known."
        )
        yield from _unreadable(swept.blocking)
    elif swept.blocking:
        yield "WARNING: a narinfo could not be read meanwhile, so nothing was removed."
        yield from _unreadable(swept.blocking)


def print_remarks(plan: CollectionPlan, terms: Terms) -> None:
    """Print what is odd, whatever is done."""
    for line in remarks(plan, terms):
        console.note(line)


def remarks(plan: CollectionPlan, terms: Terms) -> Iterator[str]:
    """Yield what is odd about the cache, or about what was asked for."""
    if plan.blocking:
        yield (
            f"WARNING: {counted(len(plan.blocking), 'narinfo')} cannot be read, so what others "
            "must keep is not known. Nothing is removed."
        )
        yield from _unreadable(plan.blocking)
    if plan.set_aside:
        yield (
            f"WARNING: {counted(len(plan.set_aside), 'unreadable narinfo')} set aside. What only "
            "they need is not protected:"
        )
        yield from _some([f"{entry.stored.key}: {entry.fault}" for entry in plan.set_aside])
    aside = {entry.store_hash for entry in plan.set_aside}
    if unused := sorted(terms.set_aside - aside):
        yield "--set-aside has no effect on these; they can be read, or are not in the cache:"
        yield from _some(unused)
    if plan.missing:
        missing = {name for names in plan.missing.values() for name in names}
        yield f"The cache lacks {counted(len(missing), 'path')} that others, which stay, refer to:"
        yield from _some([f"{name} to {', '.join(plan.missing[name])}" for name in plan.missing])
    if plan.missing_nars:
        yield (
            f"WARNING: the NARs of {counted(len(plan.missing_nars), 'path')} are missing. Push "
            "these paths again with `nix-cache push`, or check them with `nix-cache doctor`:"
        )
        yield from _some([f"{name}: {key}" for name, key in plan.missing_nars.items()])
    if unreadable := plan.unreadable_realisations:
        yield (
            f"{counted(len(unreadable), 'realisation')} that cannot be read: kept. Push their "
            "paths again, or delete these objects by hand:"
        )
        yield from _some([f"{key}: {fault}" for key, fault in unreadable.items()])
    if undated := plan.contents.undated:
        yield (
            f"{counted(len(undated), 'object')} without a usable date: counted as written just now."
        )
        yield from _some(undated)
    if foreign := sorted(plan.contents.foreign):
        yield (
            f"{counted(len(foreign), 'object')} below {NAR_PREFIX} without the name of a NAR: "
            "never deleted. Delete them by hand if no narinfo names them:"
        )
        yield from _some(foreign)
    if plan.absent_roots:
        yield f"Of the paths to keep, the cache lacks {len(plan.absent_roots)}:"
        yield from _some(plan.absent_roots)
    if plan.absent_pins:
        yield (
            f"WARNING: the cache lacks {counted(len(plan.absent_pins), 'path')} that pins name. "
            "Push them again, or run `nix-cache unpin NAME` for these names:"
        )
        yield from _some([f"{pin}: {name}" for name, pin in plan.absent_pins.items()])
    if terms.expire_after_days:
        yield (
            f"WARNING: rules of the storage expire every path {terms.expire_after_days} days after "
            "it was uploaded, whatever root records and pins keep. Remove `expireAfterDays` from "
            "the stack's configuration and run `pulumi up`, so that this command alone decides."
        )
    if terms.grace < timedelta(days=NARINFO_TTL_DAYS):
        yield (
            f"WARNING: clients believe a narinfo for {NARINFO_TTL_DAYS} days after it is gone. "
            f"With {terms.grace.days} days of grace they look for NARs that are not there, and "
            "build."
        )


def _unreadable(entries: Sequence[Entry]) -> Iterator[str]:
    """Each narinfo with its fault, and what to do."""
    yield from _some([f"{entry.stored.key}: {entry.fault}" for entry in entries])
    yield (
        "Run it again if the storage was faulty. Else repair each of them: restore the object, or "
        "push its path again. If a path is not worth that, name it with --set-aside "
        f"{entries[0].store_hash}."
    )


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_SHOWN])
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN} more; --json prints all"
