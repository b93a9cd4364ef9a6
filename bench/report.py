"""The results of pushes as a page. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

_MB = 10**6


class Way(Enum):
    """How a closure is pushed."""

    NIX_COPY = "`nix copy`"
    OURS = "`nix-cache push`"
    FLOOR = "floor"


@dataclass(frozen=True)
class Case:
    """One closure, and what is expected of a push of it.

    Attributes:
        name: what it is, in words.
        most_times_floor: how much longer than the floor `nix-cache push` may take.
        least_times_nix: how many times as fast as `nix copy` it has to be; None without a goal.
        is_there: whether the cache has all of it already.
    """

    name: str
    most_times_floor: float
    least_times_nix: float | None = None
    is_there: bool = False


@dataclass(frozen=True)
class Measured:
    """The results of one case.

    Attributes:
        case: the case.
        paths: how many store paths the closure has.
        nar_bytes: the size of their NARs.
        seconds: by way, the time of each round. `nix copy` may be missing.
    """

    case: Case
    paths: int
    nar_bytes: int
    seconds: Mapping[Way, Sequence[float]]

    @property
    def times_floor(self) -> float:
        """The median time of `nix-cache push`, as a multiple of the floor's."""
        return self._median(Way.OURS) / self._median(Way.FLOOR)

    @property
    def times_nix(self) -> float | None:
        """How many times as fast as `nix copy` the median push is."""
        if Way.NIX_COPY not in self.seconds:
            return None
        return self._median(Way.NIX_COPY) / self._median(Way.OURS)

    def _median(self, way: Way) -> float:
        return statistics.median(self.seconds[way])


@dataclass(frozen=True)
class Run:
    """What a run was made with.

    Attributes:
        date: in ISO 8601.
        command: that makes it again.
        machine: in words that name no host.
        nix: its version and origin, and whether it signs its requests.
        rounds: how often each push ran.
        loads: the load averages before and after it.
    """

    date: str
    command: str
    machine: str
    nix: str
    rounds: int
    loads: tuple[float, float]


def ratios(rows: Sequence[Measured]) -> str:
    """Return a table in Markdown of the ratios of medians, beside the goals."""
    lines = [
        "| closure | paths | NARs | times as fast as `nix copy` | goal | times the floor | goal |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        case, fast = row.case, row.times_nix
        goal = "" if case.least_times_nix is None else f"at least {case.least_times_nix:.1f}"
        lines.append(
            f"| {case.name} | {row.paths:,} | {row.nar_bytes / _MB:.1f} MB "
            f"| {'' if fast is None else f'{fast:.2f}'} | {goal} "
            f"| {row.times_floor:.2f} | at most {case.most_times_floor:.1f} |"
        )
    return "\n".join(lines)


def times(rows: Sequence[Measured]) -> str:
    """Return a table in Markdown of the median times, with the shortest and the longest."""
    lines = [
        f"| closure | {' | '.join(str(way.value) for way in Way)} |",
        f"| --- |{' ---: |' * len(Way)}",
    ]
    for row in rows:
        cells = " | ".join(_spread(row.seconds.get(way, ())) for way in Way)
        lines.append(f"| {row.case.name} | {cells} |")
    return "\n".join(lines)


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


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
- Nix: {run.nix}.
- The bucket accepts requests without a signature, so `nix copy` goes to MinIO without a proxy.
  `nix-cache push` signs its requests.

{ratios(rows)}

Ratios above 1 in the column of `nix copy` mean that `nix-cache push` is faster.

{times(rows)}

## What is compared

- `nix copy` has the push URL that the stack gives out, with the writer's signing key.
- `nix-cache push` is timed as a process, from its start to its end.
- The floor is `zstd` of the same NARs by its own program, which reads them from files, and then the
  upload of the results and the narinfos by a client that signs, checks and hashes nothing. Where
  the cache has the closure, the floor is the requests for its narinfos. It is timed without the
  start of a process.
- Small paths have 4 kB each, in chains of 15. They are content-addressed, so that a store gets many
  of them quickly. `nix-cache push` then checks that the path follows from the content address
  instead of checking a signature. The largest path of the large closure is 30% of it.
"""
