"""What waits to be pushed, and what went wrong last."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nix_cache.cli.caches.record import Record
from nix_cache.cli.hook.failures import Failure
from nix_cache.cli.hook.installation import folder_of, place_of
from nix_cache.cli.hook.queue import Queue
from nix_cache.cli.machine import console
from nix_cache.cli.machine.places import hook_name

_SHOWN = 10


@dataclass(frozen=True)
class Status:
    """The state of a hook.

    Attributes:
        cache: the cache's name.
        script: the file with the script; None if it is not installed.
        waiting: the paths in the queue.
        failed: those of them that could not be pushed, with what is known of that.
        faults: what else is in the queue, and should not be.
        last_error: what went wrong in the last run; None if it went well.
        log: where the runs in the background write to.
    """

    cache: str
    script: Path | None
    waiting: tuple[str, ...]
    failed: Mapping[str, Failure]
    faults: tuple[str, ...]
    last_error: str | None
    log: Path


def look(record: Record) -> Status:
    """Look at the hook of a cache.

    Raises:
        ClientError: the queue cannot be read.
    """
    place = place_of(record)
    queue = Queue(folder_of(place, record.name), record.manifest.store_dir)
    waiting = tuple(queue.paths())
    failures = queue.failures()
    script = place.folder / hook_name(record.name)
    return Status(
        cache=record.name,
        script=script if script.exists() else None,
        waiting=waiting,
        failed={path: known for path in waiting if (known := failures.of(path))},
        faults=tuple(queue.faults()),
        last_error=queue.last_error,
        log=queue.log,
    )


def document(status: Status) -> dict[str, Any]:
    """Return the state for programs."""
    return {
        "cache": status.cache,
        "hook": str(status.script) if status.script else None,
        "waiting": list(status.waiting),
        "failed": [
            {
                "path": path,
                "attempts": known.attempts,
                "error": known.error,
                "nextTry": datetime.fromtimestamp(known.next_try, UTC).isoformat("T", "seconds"),
            }
            for path, known in status.failed.items()
        ],
        "faults": list(status.faults),
        "lastError": status.last_error,
        "log": str(status.log),
    }


def print_status(status: Status) -> None:
    """Print the state."""
    console.columns(_rows(status))


def _rows(status: Status) -> Iterator[tuple[str, str]]:
    yield "cache", status.cache
    yield "hook", str(status.script or "not installed")
    yield "waiting", f"{len(status.waiting)}"
    yield from _listed(status.waiting)
    yield from _some("failed", [f"{path}: {one.error}" for path, one in status.failed.items()])
    yield from _some("faults", status.faults)
    yield "last error", status.last_error or "none"
    yield "log", str(status.log)


def _some(name: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield a row with their number, and some of them; nothing if there are none."""
    if texts:
        yield name, f"{len(texts)}"
        yield from _listed(texts)


def _listed(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts[:_SHOWN]:
        yield "", text
    if len(texts) > _SHOWN:
        yield "", f"and {len(texts) - _SHOWN} more; --json prints all"
