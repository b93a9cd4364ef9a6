"""The results as a page. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

_MB = 10**6


@dataclass(frozen=True)
class Row:
    """What one way of pushing came to.

    Attributes:
        name: the way.
        push_seconds: for the closure.
        stored_bytes: of all NARs in the bucket.
        pull_seconds: for the closure, to an empty store.
    """

    name: str
    push_seconds: float
    stored_bytes: int
    pull_seconds: float


def table(rows: Sequence[Row], closure_bytes: int) -> str:
    """Return a table in Markdown; the first row is what the others are compared with.

    Args:
        rows: the results.
        closure_bytes: the size of the closure's NARs.
    """
    base = rows[0]
    lines = [
        "| URL | push | MB/s | times as fast | stored | of the first | pull | times as fast |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.name} "
        f"| {row.push_seconds:.2f} s "
        f"| {closure_bytes / _MB / row.push_seconds:.0f} "
        f"| {base.push_seconds / row.push_seconds:.1f} "
        f"| {row.stored_bytes / _MB:.0f} MB "
        f"| {row.stored_bytes / base.stored_bytes:.0%} "
        f"| {row.pull_seconds:.2f} s "
        f"| {base.pull_seconds / row.pull_seconds:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def page(rows: Sequence[Row], closure_bytes: int, paths: int, machine: str, nix: str) -> str:
    """Return the whole page.

    Args:
        rows: the results.
        closure_bytes: the size of the closure's NARs.
        paths: how many there are.
        machine: what it was measured on, in words that name no host.
        nix: the Nix, in words.
    """
    return f"""\
# Push and pull, measured

`make bench` wrote this. Each time is the median of three runs; what takes minutes ran once.

- The closure: {paths} paths, {closure_bytes / _MB:.0f} MB as NARs, made of programs and
  libraries. The largest path is {LARGEST_SHARE:.0%} of it.
- The machine, with both the store and MinIO: {machine}.
- Nix: {nix}.

{table(rows, closure_bytes)}

The first row is the URL of the guides, where Nix chooses xz. The second is what the stack gives out
as `pushUrls`. To choose another level, add `&compression-level=N` to it.
"""


LARGEST_SHARE = 0.3
"""How much of the closure the largest path is: compressors work on a path at a time."""
