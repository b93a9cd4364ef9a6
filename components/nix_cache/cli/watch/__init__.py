"""`nix-cache watch-store`: pushes what becomes valid in the local store."""
