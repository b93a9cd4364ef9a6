"""What `nix-cache push` prints: what was pushed, what was skipped, how fast."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import counted, size, took
from nix_cache.cli.upload.held import Held

_SHOWN = 10


@dataclass(frozen=True)
class Result:
    """What came of a push.

    Attributes:
        cache: the cache's name.
        key_name: the key that was signed with.
        pushed: the paths that were copied, as the cache has them now.
        nar_bytes: the size of their NARs.
        skipped: the paths that the cache had already.
        seconds: how long the copying took.
        left: by store path, the URL of the upstream cache that has it.
        repaired: the paths among those that were copied of which the cache had a part.
        pin: the name under which the path was pinned; None if it was not.
        was_doubtful: whether a collection may have left paths without their NAR or realisation.
    """

    cache: str
    key_name: str
    pushed: Sequence[Held]
    nar_bytes: int
    skipped: Sequence[Held]
    seconds: float
    left: Mapping[str, str] = field(default_factory=dict)
    repaired: frozenset[str] = frozenset()
    pin: str | None = None
    was_doubtful: bool = False

    @property
    def signed(self) -> list[str]:
        """The paths among those that were skipped that got a signature."""
        return sorted(held.path for held in self.skipped if held.is_signed)

    @property
    def stored_bytes(self) -> int | None:
        """The size of what was pushed as it is stored; None if that is not known of all."""
        sizes = [held.stored_bytes for held in self.pushed]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def refused(self) -> list[Held]:
        """The paths in the cache that readers refuse."""
        return [held for held in [*self.pushed, *self.skipped] if held.fault is not None]


def document(result: Result) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "cache": result.cache,
        "keyName": result.key_name,
        "pushed": sorted(held.path for held in result.pushed),
        "skipped": sorted(held.path for held in result.skipped),
        "repaired": sorted(result.repaired),
        "signed": result.signed,
        "pin": result.pin,
        "upstream": dict(sorted(result.left.items())),
        "narBytes": result.nar_bytes,
        "storedBytes": result.stored_bytes,
        "seconds": round(result.seconds, 3),
        "refusedByReaders": [
            {"path": held.path, "key": held.key, "reason": held.fault} for held in result.refused
        ],
    }


def print_result(result: Result) -> None:
    """Print the result, and what readers will refuse."""
    console.columns(_rows(result))
    for line in warnings(result):
        console.note(line)


def warnings(result: Result) -> Iterable[str]:
    """Print what is in the cache and of no use to readers, and the fix."""
    refused = result.refused
    if not refused:
        return
    yield (
        f"WARNING: readers refuse {counted(len(refused), 'path')} that the cache {result.cache} "
        "has already:"
    )
    for held in refused[:_SHOWN]:
        yield f"  {held.path}: {held.fault} ({held.key})"
    if len(refused) > _SHOWN:
        yield f"  and {len(refused) - _SHOWN} more; --json prints all"
    yield (
        "  Fix: run `nix-cache push --repair` with these paths; or, if they are signed by a former "
        "writer of yours, list that key in `retiredPublicKeys`."
    )


def _rows(result: Result) -> Iterable[tuple[str, str]]:
    stored = result.stored_bytes
    details = [f"{size(result.nar_bytes)} as NAR"]
    if stored is not None:
        details.append(f"{size(stored)} stored")
    pushed = counted(len(result.pushed), "path")
    yield "pushed", f"{pushed}, {', '.join(details)}" if result.pushed else pushed
    yield "skipped", f"{counted(len(result.skipped), 'path')}, in the cache already"
    if result.repaired:
        yield "repaired", f"{counted(len(result.repaired), 'path')} of those that were pushed"
    if result.signed:
        yield "signed", f"{counted(len(result.signed), 'path')} of those that were skipped"
    if result.left:
        hosts = ", ".join(sorted({urlsplit(url).netloc for url in result.left.values()}))
        yield "upstream", f"{counted(len(result.left), 'path')}, left to {hosts}"
    if result.pin is not None:
        yield "pinned as", result.pin
    yield "signed by", result.key_name
    if result.pushed:
        yield "took", took(result.seconds, result.nar_bytes)
