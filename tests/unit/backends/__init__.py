"""Tests of `nix_cache.backends`."""
