"""Rules on what expires: never the cache's metadata, and NARs after their narinfos."""

from collections.abc import Iterator

from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS
from nix_cache.iam.lifetimes import FOREVER, early_nars, lost
from nix_cache.policy.model import Context, Resource, Rule
from nix_cache.policy.storage_types import expiries


def _spares_info(resource: Resource, _context: Context) -> Iterator[str]:
    for key, expiry in lost(list(expiries(resource)), [INFO_KEY]):
        what = f"the prefix {expiry.prefix!r}" if expiry.prefix else "every key"
        when = f"after {expiry.days:.0f} days" if expiry.days else "on a date"
        yield f"removes {key} {when}, by a rule for {what}"


def _nars_last(resource: Resource, _context: Context) -> Iterator[str]:
    if early := early_nars(list(expiries(resource))):
        nar_days, narinfo_days = early
        stay = "stay" if narinfo_days == FOREVER else f"go after {narinfo_days:.0f}"
        yield f"removes NARs after {nar_days:.0f} days, while narinfos {stay}"


EXPIRY_SPARES_INFO = Rule(
    id="expiry-spares-info",
    holds=f"No expiry rule matches {INFO_KEY}.",
    why="without it Nix stops, or the next writer makes one without your priority",
    fix="leave expiry to expireAfterDays, whose prefixes spare it",
    check=_spares_info,
)

NARS_OUTLIVE_NARINFOS = Rule(
    id="nars-outlive-narinfos",
    holds=f"NARs stay {NARINFO_TTL_DAYS} days longer than the narinfos that name them.",
    why="clients believe a narinfo for that long, and would find no NAR to it",
    fix=f"leave expiry to expireAfterDays, or let nar/ go {NARINFO_TTL_DAYS} days later",
    check=_nars_last,
)
