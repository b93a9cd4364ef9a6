"""What waits to be pushed, and what went wrong last."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nix_cache.client import console
from nix_cache.client.hook import texts
from nix_cache.client.hook.installation import folder_of, place_of
from nix_cache.client.hook.queue import Queue
from nix_cache.client.record import Record

_SHOWN = 10


@dataclass(frozen=True)
class Status:
    """The state of a hook.

    Attributes:
        cache: the cache's name.
        script: the file with the script; None if it is not installed.
        waiting: the paths in the queue.
        last_error: what went wrong in the last run; None if it went well.
        log: where the runs in the background write to.
    """

    cache: str
    script: Path | None
    waiting: tuple[str, ...]
    last_error: str | None
    log: Path


def look(record: Record) -> Status:
    """Look at the hook of a cache.

    Raises:
        ClientError: the queue cannot be read.
    """
    place = place_of(record)
    queue = Queue(folder_of(place, record.name))
    script = place.folder / texts.settings_name(record.name)
    return Status(
        cache=record.name,
        script=script if script.exists() else None,
        waiting=tuple(queue.paths()),
        last_error=queue.last_error,
        log=queue.log,
    )


def document(status: Status) -> dict[str, Any]:
    """The state for programs."""
    return {
        "cache": status.cache,
        "hook": str(status.script) if status.script else None,
        "waiting": list(status.waiting),
        "lastError": status.last_error,
        "log": str(status.log),
    }


def tell(status: Status) -> None:
    """Print the state."""
    console.columns(_rows(status))


def _rows(status: Status) -> Iterator[tuple[str, str]]:
    yield "cache", status.cache
    yield "hook", str(status.script or "not installed")
    yield "waiting", f"{len(status.waiting)}"
    for path in status.waiting[:_SHOWN]:
        yield "", path
    if len(status.waiting) > _SHOWN:
        yield "", f"and {len(status.waiting) - _SHOWN} more; --json tells all"
    yield "last error", status.last_error or "none"
    yield "log", str(status.log)
