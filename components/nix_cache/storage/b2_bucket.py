"""A path in the states of version 0.1.0, which stays importable for good."""

from nix_cache.dynamic.b2_bucket import B2BucketProvider as _BucketProvider

__all__ = ["_BucketProvider"]
