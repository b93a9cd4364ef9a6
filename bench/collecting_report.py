"""The results of collections as a page. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

MOST_TIMES_FLOOR = 1.5
"""How much longer than its requests alone a first run may take."""

MOST_TIMES_LISTING = 1.2
"""How much longer than the listing alone a run may take that remembers the narinfos."""

MOST_MEMORY_BYTES = 500 * 10**6
"""For a million narinfos."""


class CollectingWay(Enum):
    """What is measured."""

    FLOOR = "listing and GET of all narinfos"
    LISTING = "listing"
    GC = "`nix-cache gc --dry-run`"
    GC_AGAIN = "the same again, with what it remembers"
    SWEEP = "`nix-cache gc --json` that deletes everything"
    REMOVE = "`nix-cache remove --json` of a path"
    STATS = "`nix-cache stats --older-than 30`"


TIMED = (
    CollectingWay.FLOOR,
    CollectingWay.LISTING,
    CollectingWay.GC,
    CollectingWay.GC_AGAIN,
)
"""What is measured on a real server. ``GC_AGAIN`` follows ``GC``, whose narinfos it remembers."""

COMMANDS = (
    CollectingWay.GC,
    CollectingWay.GC_AGAIN,
    CollectingWay.SWEEP,
    CollectingWay.REMOVE,
    CollectingWay.STATS,
)
"""Whose memory is measured."""


@dataclass(frozen=True)
class Collecting:
    """The times on a real server.

    Attributes:
        narinfos: how many there are, and as many NARs.
        seconds: by way, of each round.
        peak_bytes: the most memory that `nix-cache gc` took.
    """

    narinfos: int
    seconds: Mapping[CollectingWay, Sequence[float]]
    peak_bytes: int

    def ratio(self, one: CollectingWay, other: CollectingWay) -> float:
        """The median time of one way as a multiple of another one's."""
        return statistics.median(self.seconds[one]) / statistics.median(self.seconds[other])


@dataclass(frozen=True)
class CollectingMemory:
    """The memory for a large cache, whose storage is simulated.

    Attributes:
        narinfos: how many there are, and as many NARs.
        bytes: by command, the most memory that it took.
    """

    narinfos: int
    bytes: Mapping[CollectingWay, int]


def page(
    measured: Collecting,
    memory: CollectingMemory,
    machine: str,
    place: str,
    loads: tuple[float, float],
    date: str,
) -> str:
    """Return the page.

    Args:
        measured: the times.
        memory: of a large cache.
        machine: in words that name no host.
        place: of the bucket, in words.
        loads: the load averages before and after.
        date: in ISO 8601.
    """
    rounds = len(measured.seconds[CollectingWay.FLOOR])
    rows = "\n".join(f"| {way.value} | {_spread(measured.seconds[way])} |" for way in TIMED)
    floor = _judged(measured.ratio(CollectingWay.GC, CollectingWay.FLOOR), MOST_TIMES_FLOOR)
    listing = _judged(
        measured.ratio(CollectingWay.GC_AGAIN, CollectingWay.LISTING), MOST_TIMES_LISTING
    )
    most = "\n".join(f"| {way.value} | {_memory(size)} |" for way, size in memory.bytes.items())
    return f"""# Collecting

`make bench-gc` wrote this page on {date}: {rounds} rounds on {machine}; load averages
{loads[0]:.1f} before and {loads[1]:.1f} after. The bucket is on a local MinIO, in {place}.

| {measured.narinfos:,} narinfos and as many NARs | seconds |
| --- | ---: |
{rows}

All four use the same client and the same number of parallel requests. Times are medians, with the
shortest and the longest, without the start of Python.

- A first run takes {floor} times as long as its listing and reads alone.
- A run that remembers the narinfos takes {listing} times as long as the listing alone.
- `nix-cache gc` took at most {measured.peak_bytes / 10**6:.0f} MB of memory.

## Memory for a large cache

The storage of {memory.narinfos:,} narinfos with five references each, and as many NARs, is
simulated within the process. The most memory of each command, with Python and all libraries:

| command | memory |
| --- | ---: |
{most}
"""


def _spread(seconds: Sequence[float]) -> str:
    middle = statistics.median(seconds)
    return f"{middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _judged(ratio: float, most: float) -> str:
    return f"{ratio:.2f} (goal: at most {most}, {'met' if ratio <= most else 'missed'})"


def _memory(size: int) -> str:
    goal = MOST_MEMORY_BYTES // 10**6
    met = "met" if size <= MOST_MEMORY_BYTES else "missed"
    return f"{size / 10**6:.0f} MB (goal: at most {goal}, {met})"
