"""The installed Nix: its programs, its configuration and its store paths."""
