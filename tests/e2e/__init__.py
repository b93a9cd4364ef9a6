"""The real Nix against a real cache. Start at conftest.py."""
