"""Which cache a command is about: one in use here, or one that a source describes."""

from dataclasses import dataclass
from pathlib import Path

from nix_cache.client import source
from nix_cache.client.places import system_place, user_place
from nix_cache.client.record import Record, find, known_records
from nix_cache.client.source import Source
from nix_cache.description import Description


@dataclass(frozen=True)
class Target:
    """A cache.

    Attributes:
        source: what was told of it.
        record: what this machine knows of it; None if it does not use it.
    """

    source: Source
    record: Record | None

    @property
    def description(self) -> Description:
        """The cache itself."""
        return self.source.description


def find_target(name: str | None, project: Path | None, *, secrets: bool = False) -> Target:
    """What was named: a cache in use here, or a source.

    Args:
        name: of the cache, or a source; None for the one cache in use.
        project: the folder of the stack's program; the current one if None.
        secrets: whether a stack is asked for its secrets too.

    Raises:
        UsageError: there is none, or there are several to choose from.
        ClientError: it cannot be read.
    """
    known = known_records([user_place(), system_place()])
    if name is None or (name in known and not Path(name).is_file()):
        record = find(name)
        return Target(Source(record.description), record)
    loaded = source.load(name, secrets=secrets, project=project)
    used = (one for one in known.values() if _is_same(one.description, loaded.description))
    return Target(loaded, next(used, None))


def _is_same(one: Description, other: Description) -> bool:
    return (one.bucket, one.endpoint) == (other.bucket, other.endpoint)
