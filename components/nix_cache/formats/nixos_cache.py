"""The cache that Nix uses and trusts by default. Pure, and without other imports."""

from collections.abc import Mapping

NIXOS_KEY = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
"""The public key of https://cache.nixos.org."""

NIXOS_CACHE: Mapping[str, tuple[str, ...]] = {"https://cache.nixos.org": (NIXOS_KEY,)}
"""Its URL with its public keys."""

DEFAULT_STORE_DIR = "/nix/store"
"""The store whose paths it has."""
