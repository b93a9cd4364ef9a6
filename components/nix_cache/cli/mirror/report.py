"""What `nix-cache mirror` prints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import counted, size, took
from nix_cache.cli.upload.held import Held

_SHOWN = 10


@dataclass(frozen=True)
class Route:
    """From where to where.

    Attributes:
        origin: the cache that is copied.
        target: the cache that gets the paths.
        key_name: the key that signs; None if paths keep their signatures alone.
    """

    origin: str
    target: str
    key_name: str | None = None


@dataclass(frozen=True)
class Mirrored:
    """What came of a run, or would come of it.

    Attributes:
        route: from where to where.
        copied: the paths that were copied, or that would be.
        held: the paths that the target had already.
        left_out: by store path or key, why something is not copied.
        upstream: the references that upstream caches of the target have.
        nar_bytes: the size of the NARs of the copied paths.
        stored_bytes: their size as they are stored; None if it is not known.
        seconds: how long it took.
        further: by kind, how many further objects the target has; None if these were not listed.
        is_dry: whether nothing was changed.
        refused: the paths that the target has and that readers refuse.
    """

    route: Route
    copied: Sequence[str]
    held: Sequence[Held]
    left_out: Mapping[str, str]
    upstream: Sequence[str] = ()
    nar_bytes: int = 0
    stored_bytes: int | None = None
    seconds: float = 0.0
    further: Mapping[str, int] | None = None
    is_dry: bool = False
    refused: Sequence[Held] = ()

    @property
    def is_whole(self) -> bool:
        """Whether readers of the target get everything that was asked for."""
        return not self.left_out and not self.refused


def document(result: Mirrored) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "dryRun": result.is_dry,
        "from": result.route.origin,
        "to": result.route.target,
        "keyName": result.route.key_name,
        "copied": sorted(result.copied),
        "skipped": sorted(held.path for held in result.held),
        "signed": sorted(held.path for held in result.held if held.is_signed),
        "leftOut": dict(sorted(result.left_out.items())),
        "upstream": sorted(result.upstream),
        "refusedByReaders": [
            {"path": held.path, "key": held.key, "reason": held.fault} for held in result.refused
        ],
        "narBytes": result.nar_bytes,
        "storedBytes": result.stored_bytes,
        "further": None if result.further is None else dict(result.further),
        "seconds": round(result.seconds, 3),
    }


def print_result(result: Mirrored) -> None:
    """Print the result, and what is not copied."""
    console.columns(_rows(result))
    print_problems(result)


def print_problems(result: Mirrored) -> None:
    """Print what is not copied, and what readers of the target refuse."""
    if result.left_out:
        console.note(f"WARNING: not copied ({len(result.left_out):,}):")
        for line in _shown([f"{name}: {reason}" for name, reason in result.left_out.items()]):
            console.note(line)
    if result.refused:
        count = counted(len(result.refused), "path")
        console.note(f"WARNING: readers refuse {count} that {result.route.target} has already:")
        for line in _shown([f"{held.path}: {held.fault}" for held in result.refused]):
            console.note(line)
        console.note("  Fix: name these paths in `nix-cache push --repair`, or delete them.")


def _shown(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:_SHOWN]:
        yield f"  {line}"
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN:,} more; --json prints all"


def _rows(result: Mirrored) -> Iterator[tuple[str, str]]:
    yield "from", result.route.origin
    yield "to", result.route.target
    details = [counted(len(result.copied), "path"), f"{size(result.nar_bytes)} as NAR"]
    if result.stored_bytes is not None:
        details.append(f"{size(result.stored_bytes)} stored")
    yield "to copy" if result.is_dry else "copied", ", ".join(details)
    yield "skipped", f"{counted(len(result.held), 'path')}, in {result.route.target} already"
    if signed := sum(held.is_signed for held in result.held):
        yield "signed", f"{counted(signed, 'path')} of those that were skipped"
    if result.upstream:
        yield "upstream", f"{counted(len(result.upstream), 'reference')}, left to upstream caches"
    for kind, number in (result.further or {}).items():
        if number:
            yield kind, str(number)
    if result.left_out:
        yield "not copied", f"{len(result.left_out):,} of the paths and objects"
    if result.route.key_name is not None:
        yield "signed by", result.route.key_name
    if result.seconds and result.copied and not result.is_dry:
        yield "took", took(result.seconds, result.nar_bytes)
