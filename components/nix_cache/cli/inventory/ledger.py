"""The bucket's own note of NARs without a narinfo: since when each has none. Pure.

A bucket does not record when an object went, so `nix-cache gc` keeps that in an object. It
is readable in a public cache, which cannot be listed: it has NARs by a hash of their keys, which
cannot be turned back into a URL.
"""

import hashlib
import heapq
from array import array
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.objects import NO_TIME, PackedObjects, as_number
from nix_cache.cli.inventory.times import NarTimes
from nix_cache.cli.limits import LEDGER_BYTES
from nix_cache.cli.s3.clock import usable

LEDGER_KEY = "nix-cache-gc.json"
"""Where it is. No expiry rule of the component meets it; without it all grace begins again."""

LEDGER_VERSION = 1

MOST_NOTED = LEDGER_BYTES // 110
"""NARs in the note, so that it can be read again: an entry has at most 102 bytes."""


class Ledger(BaseModel):
    """The note.

    Attributes:
        version: of its structure.
        orphans: by the SHA-256 of a NAR's key, since when no narinfo names it.
    """

    model_config = ConfigDict(frozen=True)

    version: int = LEDGER_VERSION
    orphans: dict[str, AwareDatetime] = {}

    @classmethod
    def of(cls, orphans: Mapping[str, datetime]) -> "Ledger":
        """Return a note of some NARs, by their keys. Of too many, the oldest orphans are noted.

        The grace of the others begins when there is room for them.
        """
        entries = ((time, _hashed(key)) for key, time in orphans.items())
        noted = heapq.nsmallest(MOST_NOTED, entries)
        noted.sort(key=lambda one: one[1])
        # Validation would hold all of them twice.
        return cls.model_construct(orphans={name: time for time, name in noted})

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read what is in the bucket.

        Raises:
            ValueError: it is no such note.
            ClientError: a newer version wrote it.
        """
        try:
            found = cls.model_validate_json(content)
        except ValidationError:
            raise ValueError(f"{LEDGER_KEY} is no note of NARs without a narinfo") from None
        if found.version > LEDGER_VERSION:
            raise ClientError(
                f"{LEDGER_KEY} in the bucket has version {found.version}, and this nix-cache reads "
                f"version {LEDGER_VERSION}",
                "install a newer nix-cache",
            )
        return found

    @property
    def content(self) -> bytes:
        """As it stands in the bucket."""
        return (self.model_dump_json() + "\n").encode()

    def since(self, nars: PackedObjects) -> NarTimes:
        """Of some NARs those that are noted, with the time. Times that cannot be meant are not.

        Args:
            nars: the NARs that are there.
        """
        times = array("q", [NO_TIME]) * nars.span
        for number in nars.numbers() if self.orphans else ():
            noted = self.orphans.get(_hashed(nars.key(number)))
            if noted is not None:
                times[number] = as_number(usable(noted))
        return NarTimes(nars, times)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
