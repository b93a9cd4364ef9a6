"""The pins of a bucket: which revisions keep store paths, and which objects are of no more use."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.contents import YOUNG
from nix_cache.cli.inventory.stored import Stored
from nix_cache.formats.pin import PinError, PinKey, PinRevision


@dataclass(frozen=True)
class StoredRevision:
    """A revision in the bucket.

    Attributes:
        stored: the object.
        name: of the pin.
        revision: what it says.
    """

    stored: Stored
    name: str
    revision: PinRevision

    @property
    def written(self) -> datetime | None:
        """When the storage got it; None if that is not known."""
        return self.stored.written


@dataclass(frozen=True)
class Pin:
    """A pin as it is now.

    Attributes:
        name: of the pin.
        kept: the revisions that keep their store paths, the latest first.
        last: the latest of all revisions, which may end the pin.
        useless: the objects that can go.
    """

    name: str
    kept: tuple[StoredRevision, ...]
    last: StoredRevision | None
    useless: tuple[Stored, ...]


def read_revision(stored: Stored, content: bytes) -> StoredRevision:
    """Read a revision.

    Args:
        stored: the object, which has the key of a revision.
        content: its content.

    Raises:
        ClientError: it cannot be read, so what it keeps is not known.
    """
    key = PinKey.parse(stored.key)
    assert key is not None
    try:
        return StoredRevision(stored, key.name, PinRevision.parse(content))
    except PinError as mistake:
        raise ClientError(
            f"{stored.key} in the bucket {mistake}; nothing more was removed",
            "install a newer nix-cache if one has written it, else delete this object",
        ) from None


def revisions_among(listed: Iterable[Stored]) -> list[Stored]:
    """Return the revisions among the objects below ``nix-cache-pins/``.

    Markers of folders, which some tools put, and the objects with the latest paths are passed over.

    Raises:
        ClientError: one has a key that this version does not know, so what it keeps is not known.
    """
    found = []
    for stored in listed:
        key = PinKey.parse(stored.key)
        if key is None and not stored.key.endswith("/"):
            raise ClientError(
                f"{stored.key} in the bucket is not an object of a pin; nothing more was removed",
                "install a newer nix-cache if one has written it, else delete this object",
            )
        if key is not None and key.is_revision:
            found.append(stored)
    return found


def pins_of(
    revisions: Iterable[StoredRevision], listed: Iterable[Stored], now: datetime
) -> tuple[Pin, ...]:
    """Return the pins, by name.

    The storage's dates decide what came later; the keys do where these are equal. A revision
    without a usable date is kept, and changes nothing else.

    Args:
        revisions: those that were read.
        listed: the objects below ``nix-cache-pins/``.
        now: the time, by the storage's clock.
    """
    by_name = defaultdict[str, list[StoredRevision]](list)
    for one in revisions:
        by_name[one.name].append(one)
    latest = {
        key.name: stored
        for stored in listed
        if (key := PinKey.parse(stored.key)) and not key.is_revision
    }
    names = sorted(by_name.keys() | latest.keys())
    return tuple(_pin(name, by_name[name], latest.get(name), now) for name in names)


def _pin(name: str, revisions: list[StoredRevision], latest: Stored | None, now: datetime) -> Pin:
    dated = sorted(
        (one for one in revisions if one.written is not None),
        key=lambda one: (one.written, one.stored.key),
    )
    undated = [one for one in revisions if one.written is None]
    ends = [place for place, one in enumerate(dated) if one.revision.path is None]
    end = ends[-1] if ends else -1
    kept = _kept(dated[end + 1 :][::-1], now)
    kept += [one for one in undated if one.revision.path is not None]
    keys = {one.stored.key for one in kept}
    useless = [one.stored for one in dated if one.stored.key not in keys]
    if end > 0 or (end == 0 and not _is_settled(dated[0].stored, now)):
        useless.remove(dated[end].stored)  # it ends revisions that are still there
    is_over = all(one.revision.path is None for one in revisions)
    if latest is not None and is_over and _is_settled(latest, now):
        useless.append(latest)
    return Pin(name, tuple(kept), dated[-1] if dated else None, tuple(useless))


def _kept(current: list[StoredRevision], now: datetime) -> list[StoredRevision]:
    """Return the revisions that are kept, of those that nothing ended, the latest first.

    The rules of the latest one count. A revision that was replaced is kept for a day.
    """
    if not current:
        return []
    rules = current[0].revision
    days = timedelta(days=rules.keep_days or 0)
    return [
        one
        for place, one in enumerate(current)
        if place < (rules.keep_revisions or 1)
        or not _is_settled(one.stored, now)
        or (one.written is not None and now - one.written <= days)
    ]


def _is_settled(stored: Stored, now: datetime) -> bool:
    """Return whether an object has been there for more than a day."""
    return stored.written is not None and now - stored.written > YOUNG
