"""The results of pushes as a page. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

MOST_PEAK_BYTES = 256 * 10**6
"""Memory that a push may take, whatever it pushes."""

_MB = 10**6


class Way(Enum):
    """How a closure is pushed."""

    NIX_COPY = "`nix copy`"
    OURS = "`nix-cache push`"
    ASKING = "asking alone"
    """What `nix-cache push` does to learn which paths are there."""
    FLOOR = "floor"


@dataclass(frozen=True)
class Case:
    """One closure, and what is expected of a push of it.

    Attributes:
        name: what it is, in words.
        most_times_floor: how much longer than the floor `nix-cache push` may take; None without
            a goal.
        least_times_nix: how many times as fast as `nix copy` it has to be; None without a goal.
        most_asking_times_floor: how much longer than the floor asking alone may take; None without
            a goal.
        is_there: whether the cache has all of it already.
    """

    name: str
    most_times_floor: float | None = None
    least_times_nix: float | None = None
    most_asking_times_floor: float | None = None
    is_there: bool = False


@dataclass(frozen=True)
class Measured:
    """The results of one case.

    Attributes:
        case: the case.
        paths: how many store paths the closure has.
        nar_bytes: the size of their NARs.
        seconds: by way, the time of each round. Ways may be missing.
        peak_bytes: the most memory that a push took, with the programs of Nix that it ran.
    """

    case: Case
    paths: int
    nar_bytes: int
    seconds: Mapping[Way, Sequence[float]]
    peak_bytes: int

    def ratio(self, one: Way, other: Way) -> float | None:
        """The median time of one way as a multiple of another one's; None if one is missing."""
        if one not in self.seconds or other not in self.seconds:
            return None
        return statistics.median(self.seconds[one]) / statistics.median(self.seconds[other])


@dataclass(frozen=True)
class Run:
    """What a run was made with.

    Attributes:
        date: in ISO 8601.
        command: that makes it again.
        machine: in words that name no host.
        versions: of Nix and of the other programs.
        place: of the store, the bucket and temporary files, in words.
        rounds: how often each push ran.
        loads: the load averages before and after it.
    """

    date: str
    command: str
    machine: str
    versions: str
    place: str
    rounds: int
    loads: tuple[float, float]


def table(rows: Sequence[Measured]) -> str:
    """Return a table in Markdown: median times with the shortest and the longest, ratios, memory.

    A ratio or an amount with a goal says whether it is met.
    """
    ways = (Way.NIX_COPY, Way.OURS, Way.FLOOR)
    lines = [
        f"| closure | paths | NARs | {' | '.join(way.value for way in ways)} "
        "| times as fast as `nix copy` | times the floor | asking alone, times the floor "
        "| peak memory |",
        f"| --- |{' ---: |' * (6 + len(ways))}",
    ]
    for row in rows:
        case = row.case
        cells = (
            case.name,
            f"{row.paths:,}",
            f"{row.nar_bytes / _MB:.1f} MB",
            *(_spread(row.seconds.get(way, ())) for way in ways),
            _at_least(row.ratio(Way.NIX_COPY, Way.OURS), case.least_times_nix),
            _at_most(row.ratio(Way.OURS, Way.FLOOR), case.most_times_floor),
            _at_most(row.ratio(Way.ASKING, Way.FLOOR), case.most_asking_times_floor),
            _at_most(row.peak_bytes / _MB, MOST_PEAK_BYTES / _MB, "MB", digits=0),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def _at_least(value: float | None, goal: float | None) -> str:
    if value is None or goal is None:
        return "" if value is None else f"{value:.2f}"
    return f"{value:.2f} (goal: at least {goal:.1f}, {_met(value >= goal)})"


def _at_most(value: float | None, goal: float | None, unit: str = "", *, digits: int = 1) -> str:
    if value is None:
        return ""
    shown = f"{value:.{min(2, 2 * digits)}f} {unit}".rstrip()
    if goal is None:
        return shown
    return f"{shown} (goal: at most {f'{goal:.{digits}f} {unit}'.rstrip()}, {_met(value <= goal)})"


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


def page(rows: Sequence[Measured], run: Run) -> str:
    """Return the whole page.

    Args:
        rows: the results.
        run: what they were measured with.
    """
    before, after = run.loads
    return f"""\
# Pushes, measured

`{run.command}` wrote this on {run.date}. Times are medians of {run.rounds} rounds. In each round,
all ways to push a closure ran one after the other, and each round began with another one.

- The machine, with the store, the client and MinIO: {run.machine}.
- Its load average: {before:.1f} before and {after:.1f} after the run. Before a run it should be
  below 1: other programs slow one way more than another.
- The store, the bucket and temporary files are in {run.place}.
- Versions: {run.versions}.
- The bucket accepts requests without a signature, so `nix copy` goes to MinIO without a proxy.
  `nix-cache push` signs all requests but those for narinfos, which a public cache gives to anyone.

{table(rows)}

Ratios are those of medians. Above 1 in the column of `nix copy` means that `nix-cache push` is
faster.

## What is compared

- `nix copy` has the push URL that the stack gives out, with the writer's signing key.
- `nix-cache push` is timed as a process, from its start to its end. Its modules are compiled, as
  those of an installed client are.
- The floor is `zstd` of the same NARs by its own program, with its default level and all cores,
  which reads them from files, and then the upload of the results and the narinfos by a client that
  signs, checks and hashes nothing. Where the cache has the closure, the floor is the requests for
  its narinfos. It is timed without the start of a process.
- Asking alone is what `nix-cache push` does to learn which paths are there, with the check of each
  narinfo. It is timed without the start of the process and without Nix's list of the closure, as
  the floor is.
- Small paths have 4 kB each, in chains of 15. They are content-addressed, so that a store gets many
  of them quickly. `nix-cache push` then checks that the path follows from the content address.
  The largest path of the large closure is 30% of it.
- Peak memory is that of the client together with the programs of Nix that it runs, resident,
  sampled in one further push.
"""
