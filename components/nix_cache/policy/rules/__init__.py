"""All rules, by theme."""

from nix_cache.backends.registry import BACKENDS
from nix_cache.policy.model import Rule
from nix_cache.policy.rules.access import ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE
from nix_cache.policy.rules.cache_info import ONE_CACHE_INFO, VALID_CACHE_INFO
from nix_cache.policy.rules.expiry import EXPIRY_SPARES_INFO, NARS_OUTLIVE_NARINFOS
from nix_cache.policy.rules.production import (
    DELETION_PROTECTION,
    TLS_FOR_CLIENTS,
    TLS_TO_STORAGE,
)
from nix_cache.policy.rules.secrets import PROVIDER_CREDENTIALS, STATE_ENCRYPTION

COMMON: tuple[Rule, ...] = (
    ANONYMOUS_ACCESS,
    NO_WILDCARDS,
    WRITERS_ONLY_WRITE,
    EXPIRY_SPARES_INFO,
    NARS_OUTLIVE_NARINFOS,
    VALID_CACHE_INFO,
    ONE_CACHE_INFO,
    DELETION_PROTECTION,
    TLS_TO_STORAGE,
    TLS_FOR_CLIENTS,
    PROVIDER_CREDENTIALS,
    STATE_ENCRYPTION,
)
"""The rules that hold on every backend."""


def all_rules() -> tuple[Rule, ...]:
    """Return the rules, with those of each registered backend."""
    return (*COMMON, *(rule for backend in BACKENDS.values() for rule in backend.policy_rules()))
