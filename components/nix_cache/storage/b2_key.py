"""A path in the states of version 0.1.0, which stays importable for good."""

from nix_cache.dynamic.b2_key import B2KeyProvider as _KeyProvider

__all__ = ["_KeyProvider"]
