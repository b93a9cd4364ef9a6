"""A path in the states of version 0.1.0, which stays importable for good."""

from nix_cache.dynamic.signing_key import SigningKeyProvider as _SigningKeyProvider

__all__ = ["_SigningKeyProvider"]
