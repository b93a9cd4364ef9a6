"""Measurements with the real Nix: `make bench`."""
