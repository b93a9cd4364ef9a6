"""Which cache of a program is to bear a name.

Of two caches that want one, the second would adopt what the first made. No service can report it:
when they are planned, neither is there.
"""

from collections.abc import Hashable
from contextvars import ContextVar
from weakref import WeakKeyDictionary

from pulumi.runtime.settings import get_monitor

program: ContextVar[object] = ContextVar("program")
"""What the caches of one program have in common where each registers with its own monitor."""

_first_claimants: WeakKeyDictionary[object, dict[Hashable, str]] = WeakKeyDictionary()


def contested(what: str, place: Hashable, owner: str, advice: str) -> str:
    """Why a cache cannot bear a name beside the other caches of its program, or nothing.

    Args:
        what: the name and what bears it, as the message calls it.
        place: what there can be only one of: the name, and where it has to be unique.
        owner: the cache that wants it.
        advice: what to do if another one wants it too.
    """
    claimants = _first_claimants.setdefault(program.get(get_monitor()), {})
    first = claimants.setdefault(place, owner)
    if first == owner:
        return ""
    both = " and ".join(repr(cache) for cache in sorted((first, owner)))
    return f"{what} is claimed by two caches, {both}: {advice}"


def bucket_contested(bucket: str, within: str, owner: str) -> str:
    """Why a cache cannot have a bucket, or nothing.

    Args:
        bucket: its name.
        within: where the name has to be unique: a service, or one region of it.
        owner: the cache that wants it.
    """
    advice = "choose another bucket for one of them"
    return contested(f"the bucket {bucket!r}", (within, bucket), owner, advice)
