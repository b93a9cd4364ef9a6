"""The ways to keep a cache small that are compared."""

from bench.retention.writers import RememberingNix, nix_cache_push, nix_copy
from bench.retention.years import RetentionPolicy
from nix_cache.backends.registry import BACKENDS
from nix_cache.iam.lifecycle import ExpiryRule, expiry_rules

DAYS = 90
LONG_DAYS = 365

WHOLE_BUCKET = (ExpiryRule("expire-all", "", DAYS),)
"""One rule for all keys, as recipes have it."""

POLICIES = (
    RetentionPolicy("nothing expires", lambda: nix_cache_push),
    RetentionPolicy(f"one rule for the bucket, {DAYS} days", lambda: nix_copy, WHOLE_BUCKET),
    RetentionPolicy(
        f"`expireAfterDays: {DAYS}`, `nix copy` on one machine", RememberingNix, expiry_rules(DAYS)
    ),
    RetentionPolicy(
        f"`expireAfterDays: {DAYS}`, `nix copy` on fresh machines",
        lambda: nix_copy,
        expiry_rules(DAYS),
    ),
    RetentionPolicy(
        f"`expireAfterDays: {DAYS}`, `nix-cache push`", lambda: nix_cache_push, expiry_rules(DAYS)
    ),
    RetentionPolicy(
        f"`expireAfterDays: {LONG_DAYS}`, `nix-cache push`",
        lambda: nix_cache_push,
        expiry_rules(LONG_DAYS),
    ),
    RetentionPolicy(
        f"`gc --older-than {DAYS}`, `nix copy`", lambda: nix_copy, older_than_days=DAYS
    ),
    RetentionPolicy(
        f"`gc --older-than {DAYS}`, `nix-cache push`",
        lambda: nix_cache_push,
        older_than_days=DAYS,
        writes_roots=True,
    ),
    RetentionPolicy(
        f"`gc --older-than {DAYS}`, `nix-cache push`, pins",
        lambda: nix_cache_push,
        older_than_days=DAYS,
        writes_roots=True,
        pins=True,
    ),
)


def backends_with_room(rules: int) -> list[str]:
    """Return the names of the backends whose buckets can have so many lifecycle rules."""
    return [
        spec.name
        for spec in BACKENDS.values()
        if spec.lifecycle_rules is None or spec.lifecycle_rules >= rules
    ]
