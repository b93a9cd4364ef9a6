"""Expiry as data: which keys go after how many days. Pure functions.

Lifecycle filters can only include. "Everything but the cache's own objects, and ``nar/`` later" is
therefore a set of prefixes that covers every hash and meets none of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import MANIFEST_KEY

NIX32 = "0123456789abcdfghijklmnpqrsvwxyz"
"""The alphabet of store path hashes (no e, o, t, u)."""

NAR_PREFIX = "nar/"
LANDING_PAGE_KEY = "index.html"

OWN_KEYS = (INFO_KEY, LANDING_PAGE_KEY, MANIFEST_KEY)
"""The cache's metadata, which no client writes again if it expires. Spared also where
the cache has no landing page or manifest, so that turning one on leaves the lifecycle alone."""

NARINFO_TTL_DAYS = 30
"""How long a client may believe a narinfo that it has seen: Nix's ``narinfo-cache-positive-ttl``,
2592000 seconds. A NAR must outlive the narinfo that names it by at least this."""


@dataclass(frozen=True)
class ExpiryRule:
    """Objects whose key starts with ``prefix`` are removed ``days`` after they were written."""

    id: str
    prefix: str
    days: int


def expiry_rules(expire_after_days: int) -> tuple[ExpiryRule, ...]:
    """Return the rules for a cache whose entries are kept for ``expire_after_days``; none for 0.

    Every narinfo is matched by exactly one rule, what is in ``OWN_KEYS`` by none, and NARs go
    ``NARINFO_TTL_DAYS`` after their narinfos.
    """
    if not expire_after_days:
        return ()
    metadata = (
        ExpiryRule(f"expire-{prefix}", prefix, expire_after_days)
        for prefix in prefixes_sparing((NAR_PREFIX, *OWN_KEYS))
    )
    nars = ExpiryRule("expire-nar", NAR_PREFIX, expire_after_days + NARINFO_TTL_DAYS)
    return (*metadata, nars)


def prefixes_sparing(spared: Iterable[str]) -> Iterator[str]:
    """Return the fewest prefixes that cover all names over ``NIX32`` except the spared ones.

    At each step along a spared name, every other letter starts a branch that leads away from it.
    A letter outside the alphabet ends the walk: no hash can follow it there.
    """
    names = tuple(spared)

    def branch(path: str) -> Iterator[str]:
        for letter in NIX32:
            step = path + letter
            if any(name.startswith(step) for name in names):
                yield from branch(step)
            else:
                yield step

    return branch("")
