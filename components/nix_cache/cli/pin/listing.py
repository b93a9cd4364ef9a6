"""`nix-cache pins`: the pins of a cache, as its owner or janitor sees them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nix_cache.cli.caches.manager import find_manager
from nix_cache.cli.commands import completing
from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.pins import Pin, StoredRevision
from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.options import JOBS


def run(cache: str | None, project: Path | None, owner: str | None, *, as_json: bool) -> None:
    """List the pins of a cache.

    Args:
        cache: its name on this machine, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may list and read; None for the janitor.
        as_json: whether the result is for programs.

    Raises:
        UsageError: there is no such cache.
        ClientError: a pin cannot be read, or the storage refused or did not answer.
    """
    manager = find_manager(cache, project, owner)
    manifest = manager.target.manifest
    with completing(manager.target.stack), Progress() as progress:
        bucket = Bucket(manifest, manager.credential, manager.profile, JOBS)
        bucket.report = progress.tell
        progress.tell(f"waiting for {manifest.endpoint}")
        clocks = bucket.clocks()
        skew = clocks.skew if clocks else timedelta()
        pins = [
            pin for pin in bucket.records.pins(datetime.now(UTC) + skew) if pin.last or pin.kept
        ]
    if as_json:
        console.document({"bucket": manifest.bucket, "pins": [document(pin) for pin in pins]})
    elif pins:
        console.columns(rows(pins))
    else:
        console.out.print("The cache has no pins.")


def document(pin: Pin) -> dict[str, Any]:
    """Return a pin for programs."""
    return {
        "name": pin.name,
        "isPinned": bool(pin.kept),
        "path": pin.kept[0].revision.path if pin.kept else None,
        "changed": _time(_shown(pin)),
        "writer": _shown(pin).revision.writer,
        "keepRevisions": _shown(pin).revision.keep_revisions,
        "keepDays": _shown(pin).revision.keep_days,
        "revisions": [
            {
                "path": one.revision.path,
                "pinned": _time(one),
                "writer": one.revision.writer,
                "key": one.stored.key,
            }
            for one in pin.kept
        ],
    }


def rows(pins: Sequence[Pin]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the rows of the table."""
    yield "NAME", "CHANGED", "WRITER", "REVISIONS", "PATH"
    for pin in pins:
        last = _shown(pin)
        path = pin.kept[0].revision.path if pin.kept else None
        number = str(len(pin.kept)) if pin.kept else "-"
        yield pin.name, _time(last), last.revision.writer, number, path or "unpinned"


def _shown(pin: Pin) -> StoredRevision:
    """Return the revision that made the pin what it is: the latest, also one that ended it."""
    last = pin.kept[0] if pin.kept else pin.last
    assert last is not None
    return last


def _time(one: StoredRevision) -> str:
    """Return when a revision was made, by the storage's clock, or else by the writer's."""
    return f"{(one.written or one.revision.made).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
