"""Tests of `nix_cache.config`."""
