"""The command `nix-cache help`."""
