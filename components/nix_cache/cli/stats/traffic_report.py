"""What the requests to a bucket add up to, for people and for programs."""

from collections.abc import Mapping
from typing import Any

from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import size
from nix_cache.cli.stats.traffic import Traffic, TrafficSum

LARGEST = 10
"""How many of the NARs that were sent most are named."""

_SHOWN_CLIENTS = 20
_LONGEST_KEY = 300


def document(traffic: TrafficSum, paths: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a summary for programs.

    Args:
        traffic: the requests.
        paths: by the key of a NAR, its store path, as far as that is known.
    """
    return {
        **_amounts(traffic.total),
        "anonymous": _amounts(traffic.anonymous),
        "byClient": {
            name: {**_amounts(one), "isAnonymous": one.is_anonymous}
            for name, one in sorted(traffic.by_client.items())
        },
        "errorsByStatus": {str(status): count for status, count in sorted(traffic.errors.items())},
        "largestDownloads": [
            {
                "key": one.key,
                "path": (paths or {}).get(one.key),
                "downloads": one.requests,
                "bytes": one.sent_bytes,
            }
            for one in traffic.nars.largest(LARGEST)
        ],
        "unreadableLines": traffic.unreadable,
    }


def print_summary(traffic: TrafficSum, paths: Mapping[str, str] | None = None) -> None:
    """Print a summary for people; the arguments are those of ``document``."""
    total = traffic.total
    console.out.print(
        f"{_count(total.requests, 'request')}, {size(total.sent_bytes)} sent, "
        f"{size(total.received_bytes)} received"
    )
    if total.hit_rate is not None:
        asked = total.found_narinfos + total.absent_narinfos
        console.out.print(
            f"Narinfos: {total.found_narinfos:,} of {asked:,} found ({total.hit_rate:.1%})"
        )
    if total.nar_downloads:
        console.out.print(
            f"NARs: {_count(total.nar_downloads, 'download')}, {size(total.nar_bytes)}"
        )
    if traffic.anonymous.requests:
        anonymous = traffic.anonymous
        console.out.print(
            f"Anonymous: {_count(anonymous.requests, 'request')}, {size(anonymous.sent_bytes)} sent"
        )
    if traffic.errors:
        statuses = ", ".join(
            f"{count:,} with status {status}" for status, count in sorted(traffic.errors.items())
        )
        console.out.print(f"Failed: {_count(total.errors, 'request')}, {statuses}")
    _print_clients(traffic)
    largest = [
        (
            size(one.sent_bytes),
            _count(one.requests, "download"),
            (paths or {}).get(one.key, one.key)[:_LONGEST_KEY],
        )
        for one in traffic.nars.largest(LARGEST)
    ]
    if largest:
        console.out.print("Largest downloads")
        console.columns(largest)


def _print_clients(traffic: TrafficSum) -> None:
    clients = sorted(traffic.by_client.items(), key=lambda one: (-one[1].sent_bytes, one[0]))
    rows = [
        (
            name,
            f"{one.requests:,}",
            size(one.sent_bytes),
            "" if one.hit_rate is None else f"{one.hit_rate:.1%} of narinfos found",
        )
        for name, one in clients[:_SHOWN_CLIENTS]
    ]
    if rows:
        console.out.print("By client")
        console.columns(rows)
    if len(clients) > _SHOWN_CLIENTS:
        console.out.print(f"  and {len(clients) - _SHOWN_CLIENTS} more; --json prints all")


def _amounts(traffic: Traffic) -> dict[str, Any]:
    rate = traffic.hit_rate
    return {
        "requests": traffic.requests,
        "sentBytes": traffic.sent_bytes,
        "receivedBytes": traffic.received_bytes,
        "foundNarinfos": traffic.found_narinfos,
        "absentNarinfos": traffic.absent_narinfos,
        "hitRate": None if rate is None else round(rate, 4),
        "narDownloads": traffic.nar_downloads,
        "narBytes": traffic.nar_bytes,
        "errors": traffic.errors,
    }


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
