"""The pins of a cache that is copied: made again in the target, for paths that it has."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.pins import Pin, pins_of, read_revision, revisions_among
from nix_cache.cli.mirror.origin import OriginCache, UnreadableObjectError
from nix_cache.cli.upload.narinfos import Narinfos, UnreadableNarinfoError
from nix_cache.cli.upload.pinning import KeepRules, Pinning
from nix_cache.formats.own_objects import PINS_PREFIX
from nix_cache.formats.pin import latest_key


@dataclass
class CopiedPins:
    """What came of it.

    Attributes:
        count: how many revisions were made in the target.
        left_out: by pin, why it was not copied.
    """

    count: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


def pins_at(origin: OriginCache) -> tuple[Pin, ...]:
    """Read the pins of a listed cache.

    Raises:
        ClientError: one cannot be read, or the storage refused.
    """
    listed = origin.stored(PINS_PREFIX)
    revisions = []
    for stored in revisions_among(listed):
        try:
            content = origin.read(stored.key)
        except UnreadableObjectError as mistake:
            raise ClientError(f"{stored.key} {mistake}", "delete this object") from None
        if content is not None:
            revisions.append(read_revision(stored, content))
    return pins_of(revisions, listed, datetime.now(UTC))


def copy_pins(
    pins: Collection[Pin],
    pinning: Pinning,
    target: Narinfos,
    paths: Collection[str],
    progress: Callable[[str], None],
) -> CopiedPins:
    """Make pins again in another cache, with their rules, the oldest revision that is kept first.

    A pin that the target has stays as it is, unless its path is an earlier one of the same pin.

    Args:
        pins: of the cache that is copied.
        pinning: writes pins of the target.
        target: reads objects of the target.
        paths: the store paths that the target has and that a root record keeps.
        progress: called with what is being done.

    Raises:
        ClientError: the storage refused, or did not answer.
    """
    copied = CopiedPins()
    for pin in pins:
        progress(f"copying the pin {pin.name}")
        revisions = [one.revision for one in reversed(pin.kept)]
        named = [revision.path for revision in revisions]
        there = _latest(target, pin.name)
        place = f"{PINS_PREFIX}{pin.name}"
        if there is not None and there not in named:
            if named:
                state = f"for {there}" if there else "which was unpinned"
                copied.left_out[place] = f"the target has a pin of this name, {state}"
            continue
        done = 0 if there is None else len(named) - named[::-1].index(there)
        for revision in revisions[done:]:
            if revision.path is None or revision.path not in paths:
                copied.left_out[place] = f"the target does not have {revision.path}"
                continue
            rules = KeepRules(revision.keep_revisions, revision.keep_days)
            pinning.pin_pushed(pin.name, revision.path, rules)
            copied.count += 1
    return copied


def _latest(target: Narinfos, name: str) -> str | None:
    """Return the path that a pin of the target names; empty if it ended; None without one."""
    try:
        found = target.read(latest_key(name))
    except UnreadableNarinfoError:
        return ""
    return None if found is None else found.content.decode(errors="replace").strip()
