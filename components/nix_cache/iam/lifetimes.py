"""How long the entries of a bucket live, by whatever rules it has. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from nix_cache.iam.lifecycle import NAR_PREFIX, NARINFO_TTL_DAYS, NIX32

FOREVER = float("inf")
_HASH_CHARACTERS = 32


@dataclass(frozen=True)
class Expiry:
    """Objects that go: those whose key starts with ``prefix``, after some days; 0 for a date."""

    prefix: str
    days: float


def lost(found: Sequence[Expiry], keys: Sequence[str]) -> list[tuple[str, Expiry]]:
    """Return the keys that expire, each with a rule that matches it."""
    return [(key, rule) for key in keys for rule in found if key.startswith(rule.prefix)]


def early_nars(found: Sequence[Expiry]) -> tuple[float, float] | None:
    """Return whether a NAR can expire while clients still believe the narinfo that names it.

    Returns:
        after how many days the first NARs and the last narinfos expire, if that is too early.
    """
    narinfo_days, nar_days = longest_narinfo(found), shortest_nar(found)
    return (nar_days, narinfo_days) if nar_days < narinfo_days + NARINFO_TTL_DAYS else None


def longest_narinfo(found: Sequence[Expiry]) -> float:
    """After how many days the narinfo that stays longest goes."""

    def longest(start: str) -> float:
        covering = [rule.days for rule in found if start.startswith(rule.prefix)]
        within = [rule for rule in found if len(rule.prefix) > len(start)]
        soonest = min(covering, default=FOREVER)
        if not any(rule.prefix.startswith(start) for rule in within):
            return soonest
        if len(start) == _HASH_CHARACTERS:
            return soonest
        return min(soonest, max(longest(start + letter) for letter in NIX32))

    return longest("")


def shortest_nar(found: Sequence[Expiry]) -> float:
    """After how many days the first NAR goes."""
    return min(
        (
            rule.days
            for rule in found
            if NAR_PREFIX.startswith(rule.prefix) or rule.prefix.startswith(NAR_PREFIX)
        ),
        default=FOREVER,
    )
