"""What a collection is to keep, and which narinfos prevent it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from nix_cache.cli.inventory.contents import YOUNG, Contents, Entry
from nix_cache.cli.inventory.pins import Pin
from nix_cache.cli.inventory.roots import Pushed, paths_of


@dataclass(frozen=True)
class Terms:
    """What is to be collected.

    Attributes:
        now: the time of this run.
        older_than: what was written within this time before is a root.
        grace: how long a NAR outlives its last narinfo.
        roots: the hashes of further roots.
        set_aside: the hashes of narinfos that may be unreadable. They stay, and what they need is
            not protected. One that can be read counts as any other.
        pushes: what root records describe. Those that are as young as roots by age are roots.
        pins: what they keep is a root at any age.
        expire_after_days: after so many days rules of the storage expire every path, whatever is
            kept here; 0 without such rules.
    """

    now: datetime
    older_than: timedelta
    grace: timedelta
    roots: tuple[str, ...] = ()
    set_aside: frozenset[str] = frozenset()
    pushes: tuple[Pushed, ...] = ()
    pins: tuple[Pin, ...] = ()
    expire_after_days: int = 0

    @property
    def pinned(self) -> dict[str, str]:
        """The names of pins, by the hash of each store path that they keep."""
        return {
            one.revision.store_hash: pin.name
            for pin in self.pins
            for one in pin.kept
            if one.revision.store_hash is not None
        }

    @property
    def pushed(self) -> frozenset[str]:
        """What young root records keep. A push under way may not have put its narinfos yet."""
        return paths_of(pushed for pushed in self.pushes if self.is_root(pushed))

    def is_root(self, pushed: Pushed) -> bool:
        """Return whether what a root record describes is kept."""
        written = pushed.stored.written
        return written is None or self.now - written <= max(self.older_than, YOUNG)

    def is_young(self, written: datetime | None) -> bool:
        """Return whether an object may belong to a push under way. One without a date may."""
        return written is None or self.now - written < YOUNG


def blocking(contents: Contents, terms: Terms) -> tuple[Entry, ...]:
    """Return the unreadable narinfos that were not set aside. With one of them, nothing goes."""
    return tuple(entry for entry in contents.unreadable if entry.store_hash not in terms.set_aside)
