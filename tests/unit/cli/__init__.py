"""The command nix-cache, without Nix and without a storage server."""
