"""Tests of `nix_cache.iam`."""
