"""A path in the states of version 0.1.0, which stays importable for good."""

from nix_cache.dynamic.name_reservation import RetiredClaimProvider as _ClaimProvider

__all__ = ["_ClaimProvider"]
