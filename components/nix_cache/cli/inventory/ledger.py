"""The bucket's own note of NARs without a narinfo: since when each has none. Pure.

A bucket does not record when an object went, so `nix-cache gc` keeps that in an object. It
is readable in a public cache, which cannot be listed: it has NARs by a hash of their keys, which
cannot be turned back into a URL.
"""

import hashlib
import heapq
import io
import struct
from array import array
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.columns import NO_TIME, as_number, as_time
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.times import NarTimes
from nix_cache.cli.limits import LEDGER_BYTES
from nix_cache.cli.s3.clock import usable

LEDGER_KEY = "nix-cache-gc.json"
"""Where it is. No expiry rule of the component meets it; without it all grace begins again."""

LEDGER_VERSION = 1

MOST_NOTED = LEDGER_BYTES // 110
"""NARs in the note, so that it can be read again: an entry has at most 102 bytes."""


_TIME = struct.Struct(">Q")
"""Later times are greater bytes: they count from ``NO_TIME``, which is the smallest number."""

_DIGEST_BYTES = hashlib.sha256().digest_size
_INVERTED = bytes(reversed(range(256)))


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

    def since(self, nars: PackedObjects) -> NarTimes:
        """Of some NARs those that are noted, with the time. Times that cannot be meant are not.

        Args:
            nars: the NARs that are there.
        """
        times = array("q", [NO_TIME]) * nars.span
        for number in nars.numbers() if self.orphans else ():
            noted = self.orphans.get(_digest(nars.key(number)).hex())
            if noted is not None:
                times[number] = as_number(usable(noted))
        return NarTimes(nars, times)


def ledger_content(orphans: Mapping[str, datetime]) -> bytes:
    """Return the note of some NARs, by their keys. Of too many, the oldest orphans are noted.

    The grace of the others begins when there is room for them.
    """
    noted = _oldest(orphans)
    for place, entry in enumerate(noted):
        noted[place] = entry[_TIME.size :] + entry[: _TIME.size]
    noted.sort()
    content = io.BytesIO()
    content.write(b'{"version":%d,"orphans":{' % LEDGER_VERSION)
    for place, entry in enumerate(noted):
        time = as_time(_TIME.unpack_from(entry, _DIGEST_BYTES)[0] + NO_TIME)
        assert time is not None
        text = f'"{entry[:_DIGEST_BYTES].hex()}":"{time.isoformat().replace("+00:00", "Z")}"'
        content.write((f",{text}" if place else text).encode())
    content.write(b"}}\n")
    return content.getvalue()


def _oldest(orphans: Mapping[str, datetime]) -> list[bytes]:
    """Return the oldest orphans in no order, each as its time and the hash of its key."""
    youngest_first: list[bytes] = []  # the heap has the smallest, which inverted bytes turn round
    for key, time in orphans.items():
        entry = (_TIME.pack(as_number(time) - NO_TIME) + _digest(key)).translate(_INVERTED)
        if len(youngest_first) < MOST_NOTED:
            heapq.heappush(youngest_first, entry)
        else:
            heapq.heappushpop(youngest_first, entry)
    for place, entry in enumerate(youngest_first):
        youngest_first[place] = entry.translate(_INVERTED)
    return youngest_first


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
