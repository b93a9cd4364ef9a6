"""Tests of `nix_cache.render`."""
