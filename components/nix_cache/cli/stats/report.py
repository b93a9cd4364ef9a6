"""What `nix-cache stats` prints: tables for people, and a document for programs."""

from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import counted, size
from nix_cache.cli.stats.collection import Collectable, Freed
from nix_cache.cli.stats.figures import Amount, Figures
from nix_cache.cli.stats.prices import MonthlyCost

_MONTHS = 12
_SHOWN = 10

KINDS = {
    "narinfo": "narinfos",
    "nar": "NARs",
    "listing": "lists of files",
    "log": "build logs",
    "debuginfo": "debug info entries",
    "realisation": "realisations",
    "root": "root records",
    "pin": "objects of pins",
    "other": "metadata and others",
}
"""By the kind of object, what people call it."""


def document(
    figures: Figures, cost: MonthlyCost | None, tried: Collectable | None
) -> dict[str, Any]:
    """Return the figures for programs. Sizes are in bytes."""
    ratio = figures.compression_ratio
    return {
        "paths": figures.total.paths,
        "bytes": figures.all_bytes,
        "narBytes": figures.total.nar_bytes,
        "storedNarBytes": figures.total.stored_bytes,
        "compressionRatio": None if ratio is None else round(ratio, 3),
        "objects": {
            kind: {"count": count, "bytes": figures.object_bytes[kind]}
            for kind, count in sorted(figures.objects.items())
        },
        "byKey": _amounts(figures.by_key),
        "byCompression": _amounts(figures.by_compression),
        "byMonth": _amounts(figures.by_month),
        "largest": [
            {
                "path": large.store_path,
                "storedBytes": large.stored_bytes,
                "narBytes": large.nar_bytes,
            }
            for large in figures.largest
        ],
        "orphans": {"count": figures.orphans, "bytes": figures.orphan_bytes},
        "missingNars": figures.missing_nars,
        "unreadable": dict(sorted(figures.unreadable.items())),
        "monthlyCost": None
        if cost is None
        else {
            "amount": round(cost.amount, 4),
            "currency": cost.currency,
            "source": cost.source,
        },
        "collection": None
        if tried is None
        else {
            "olderThanDays": tried.older_than_days,
            "graceDays": tried.grace_days,
            "isBlocked": tried.is_blocked,
            "now": _freed(tried.now),
            "later": _freed(tried.later),
        },
    }


def print_figures(figures: Figures, cost: MonthlyCost | None, tried: Collectable | None) -> None:
    """Print the figures for people."""
    ratio = figures.compression_ratio
    console.out.print(f"{counted(figures.total.paths, 'path')}, {size(figures.all_bytes)} stored")
    if ratio is not None:
        console.out.print(
            f"NARs of these paths: {size(figures.total.stored_bytes)}, "
            f"{size(figures.total.nar_bytes)} before compression ({ratio:.1f} times as much)"
        )
    for title, rows in (
        ("Objects", _objects(figures)),
        ("By signing key", _by_name(figures.by_key, "unsigned")),
        ("By compression", _by_name(figures.by_compression, "")),
        ("Written in", _by_month(figures)),
        ("Largest", _largest(figures)),
        (_collection_title(tried), _collection(tried)),
    ):
        if table := list(rows):
            console.out.print(title)
            console.columns(table)
    if cost is not None:
        least = 0.01
        amount = f"about {cost.amount:.2f}" if cost.amount >= least else f"below {least}"
        console.out.print(f"Storage: {amount} {cost.currency} a month ({cost.source})")


def print_remarks(
    figures: Figures, backend: str, cost: MonthlyCost | None, tried: Collectable | None
) -> None:
    """Print what is odd, and what the figures leave out."""
    if figures.unreadable:
        console.note(
            f"WARNING: {counted(len(figures.unreadable), 'narinfo')} cannot be read. The figures "
            "leave out what is in them:"
        )
        for key, reason in sorted(figures.unreadable.items())[:_SHOWN]:
            console.note(f"  {key}: {reason}")
    if figures.missing_nars:
        console.note(
            f"WARNING: the NARs of {counted(figures.missing_nars, 'path')} are missing. Check them "
            "with `nix-cache doctor`."
        )
    if tried is not None and tried.is_blocked:
        console.note(
            "WARNING: a collection would delete nothing, because a narinfo cannot be read. See it "
            "with `nix-cache gc --dry-run`."
        )
    if cost is None:
        console.note(
            f"There is no list price for the backend {backend}. Give prices with --prices FILE."
        )
    else:
        console.note(
            "The cost is an estimate for storage alone: without requests, traffic, old versions "
            "and taxes."
        )


def _amounts(table: Mapping[str, Amount]) -> dict[str, Any]:
    return {
        name: {
            "paths": amount.paths,
            "storedBytes": amount.stored_bytes,
            "narBytes": amount.nar_bytes,
        }
        for name, amount in sorted(table.items())
    }


def _objects(figures: Figures) -> Iterator[tuple[str, str, str]]:
    for kind, title in KINDS.items():
        if figures.objects[kind]:
            yield f"{figures.objects[kind]:,}", title, size(figures.object_bytes[kind])
    if figures.orphans:
        yield f"{figures.orphans:,}", "of the NARs without a narinfo", size(figures.orphan_bytes)


def _by_name(table: Mapping[str, Amount], empty: str) -> Iterator[tuple[str, str, str]]:
    for name, amount in sorted(table.items(), key=lambda one: -one[1].stored_bytes):
        yield name or empty, counted(amount.paths, "path"), size(amount.stored_bytes)


def _by_month(figures: Figures) -> Iterator[tuple[str, str, str]]:
    months = sorted(figures.by_month)
    if len(months) > _MONTHS:
        yield "earlier", f"{len(months) - _MONTHS} months, with --json", ""
    for month in months[-_MONTHS:]:
        amount = figures.by_month[month]
        yield month or "no date", counted(amount.paths, "path"), size(amount.stored_bytes)


def _largest(figures: Figures) -> Iterator[tuple[str, str]]:
    for large in figures.largest:
        yield size(large.stored_bytes), large.store_path


def _collection_title(tried: Collectable | None) -> str:
    if tried is None:
        return ""
    return (
        f"A collection with --older-than {tried.older_than_days} --grace {tried.grace_days} would "
        "delete"
    )


def _collection(tried: Collectable | None) -> Iterator[tuple[str, str, str]]:
    if tried is None:
        return
    for when, freed in (("now", tried.now), ("after the grace period", tried.later)):
        counts = (
            counted(freed.narinfos, "narinfo"),
            counted(freed.nars, "NAR"),
            *([counted(freed.others, "other object")] if freed.others else []),
        )
        yield when, ", ".join(counts), size(freed.size_bytes)


def _freed(freed: Freed) -> dict[str, int]:
    return {
        "narinfos": freed.narinfos,
        "nars": freed.nars,
        "others": freed.others,
        "bytes": freed.size_bytes,
    }
